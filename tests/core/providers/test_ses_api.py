"""SES's API, a real boto3 client, against an endpoint on loopback that each test scripts."""

import base64
import json
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core.mail import EmailMessage as DjangoMessage
from django.core.mail import get_connection, mail_admins

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers.base import Acceptance
from apps.core.providers.django_mail import DjangoMail
from tests.support import emails
from tests.support.emails import MESSAGE, NOT_VERIFIED
from tests.support.endpoint import HANG_UP, SILENCE, Answer, Endpoint, running_endpoint

BACKEND = "apps.core.providers.ses_api.EmailBackend"
ACCEPTED = Answer(200, '{"MessageId": "id-1"}')

CUT = Answer(200, ACCEPTED.body[:-8], {"Content-Length": "9999", "Connection": "close"})


def refusal(status: int, code: str, message: str = "no") -> Answer:
    return Answer(status, json.dumps({"message": message}), {"x-amzn-ErrorType": code})


@pytest.fixture
def endpoint(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    settings.EMAIL_BACKEND = BACKEND
    settings.DEFAULT_FROM_NAME = "RS Systèmes"
    settings.DEFAULT_FROM_EMAIL = "notifications@rssystems.com"
    settings.AWS_SES_CONFIGURATION_SET = "rs-systems-notifications"
    with running_endpoint(ACCEPTED) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", server.url)
        yield server


@pytest.fixture
def send(endpoint: Endpoint) -> Callable[[], Acceptance]:
    return lambda: emails.send(DjangoMail(BACKEND), MESSAGE)


def only_request(endpoint: Endpoint) -> dict[str, Any]:
    (body,) = endpoint.bodies
    return dict(json.loads(body))


def test_the_message_id_of_the_answer_is_kept(send: Callable[[], Acceptance]) -> None:
    assert send() == Acceptance("ses-api", "id-1")


def test_tags_and_configuration_set_become_parameters_of_the_call(
    send: Callable[[], Acceptance], endpoint: Endpoint
) -> None:
    send()
    request = only_request(endpoint)
    mail = message_from_bytes(base64.b64decode(request.pop("Content")["Raw"]["Data"]))
    assert request == {
        "FromEmailAddress": str(mail["From"]),
        "Destination": {"ToAddresses": ["jane@fleet.example"]},
        "EmailTags": [
            {"Name": "delivery", "Value": "0f8fad5b-d9cb-469f-a165-70867728950e"},
            {"Name": "attempt", "Value": "2"},
        ],
        "ConfigurationSetName": "rs-systems-notifications",
    }
    assert [name for name in mail if name.lower().startswith("x-ses")] == []
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert read["From"] == "RS Systèmes <notifications@rssystems.com>"
    assert read["Subject"] == MESSAGE.subject


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
            ThrottledError,
        ),
        (refusal(400, "ThrottlingException", "Maximum sending rate exceeded"), ThrottledError),
        (refusal(400, "LimitExceededException"), TransientError),
        (
            refusal(400, "LimitExceededException", "Daily message quota exceeded."),
            ChannelUnavailableError,
        ),
        (
            refusal(429, "TooManyRequestsException", "Daily message quota exceeded."),
            ChannelUnavailableError,
        ),
        (refusal(400, "SendingPausedException"), ChannelUnavailableError),
        (refusal(400, "AccountSuspendedException"), ChannelUnavailableError),
        (refusal(400, "MailFromDomainNotVerifiedException"), ChannelUnavailableError),
        (refusal(404, "NotFoundException"), ChannelUnavailableError),
        (refusal(400, "MessageRejected", "Illegal content"), PermanentError),
        (
            refusal(400, "MessageRejected", f"{NOT_VERIFIED} region US-EAST-1: us@rs.example"),
            ChannelUnavailableError,
        ),
        (
            refusal(400, "MessageRejected", f"{NOT_VERIFIED} region US-EAST-1: jane@fleet.example"),
            PermanentError,
        ),
        (refusal(400, "BadRequestException", "Illegal address"), PermanentError),
        (
            refusal(403, "AccessDeniedException", "not authorized to perform ses:SendRawEmail"),
            ChannelUnavailableError,
        ),
        (refusal(403, "UnrecognizedClientException"), ChannelUnavailableError),
        (refusal(400, "SomethingNew"), TransientError),
        (
            refusal(400, "BadRequestException", "Invalid address <notifications@rssystems.com>"),
            ChannelUnavailableError,
        ),
        (refusal(503, "ServiceUnavailable"), AmbiguousError),
        (Answer(200, "garbage"), AmbiguousError),
        (Answer(200, ""), AmbiguousError),
        (Answer(200, "{}"), AmbiguousError),
        (Answer(200, "null"), AmbiguousError),
        (Answer(200, "[1, 2]"), AmbiguousError),
        (Answer(200, "[" * 100_000), AmbiguousError),
        (Answer(200, "<html>Sign in</html>"), AmbiguousError),
        (Answer(200, '{"MessageId": "id'), AmbiguousError),
        (CUT, AmbiguousError),
        (Answer(302, "", {"Location": "http://127.0.0.1:9/"}), TransientError),
        (refusal(500, "InternalServiceErrorException"), AmbiguousError),
        (Answer(502, "<html>Bad gateway</html>"), AmbiguousError),
        (HANG_UP, AmbiguousError),
        (SILENCE, AmbiguousError),
    ],
)
def test_an_error_answer_becomes_our_error_after_one_call(
    send: Callable[[], Acceptance],
    endpoint: Endpoint,
    settings: Any,
    answer: Any,
    expected: type[Exception],
) -> None:
    settings.EMAIL_TIMEOUT = 1 if answer == SILENCE else 10
    endpoint.answer = answer
    with pytest.raises(DeliveryError) as caught:
        send()
    assert type(caught.value) is expected
    assert len(endpoint.bodies) == 1


def test_without_credentials_the_channel_stops_and_nothing_is_called(
    send: Callable[[], Acceptance], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ChannelUnavailableError):
        send()
    assert endpoint.bodies == []


def test_django_s_own_mail_to_the_administrators_goes_by_the_api_too(
    endpoint: Endpoint, settings: Any
) -> None:
    settings.ADMINS = [("Administrator", "admin@rssystems.com")]
    mail_admins("Broken", "It broke.")
    request = only_request(endpoint)
    assert request["Destination"] == {"ToAddresses": ["admin@rssystems.com"]}
    assert request.keys() == {"FromEmailAddress", "Destination", "Content"}


def test_what_is_to_be_silent_is_silent(endpoint: Endpoint) -> None:
    endpoint.answer = refusal(400, "MessageRejected")
    connection = get_connection(fail_silently=True)
    assert connection.send_messages([DjangoMessage("x", "x", to=["admin@rssystems.com"])]) == 0


def test_staging_reaches_no_stranger_by_mail_admins(endpoint: Endpoint, settings: Any) -> None:
    settings.ENVIRONMENT = "staging"
    settings.STAGING_ALLOWED_RECIPIENTS = ["@us.example"]
    with pytest.raises(NotSendable):
        DjangoMessage("x", "x", to=["us@us.example"], bcc=["stranger@x.example"]).send()
    assert endpoint.bodies == []
    DjangoMessage("x", "x", to=["us@us.example"]).send()
    assert len(endpoint.bodies) == 1
