"""The SNS provider, a real boto3 client, against an endpoint on loopback that each test scripts."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers import sns
from apps.core.providers.base import Acceptance, SMSMessage
from tests.support.endpoint import HANG_UP, SILENCE, Answer, Endpoint, running_endpoint

MESSAGE = SMSMessage("+12025550123", "RS Systems: repair R-1042 approved.")

ACCEPTED = Answer(
    200,
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    "<MessageId>m-1</MessageId></PublishResult></PublishResponse>",
)


CUT = Answer(200, ACCEPTED.body[:-8], {"Content-Length": "9999", "Connection": "close"})


def refusal(status: int, code: str, message: str = "no") -> Answer:
    return Answer(
        status,
        f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        f"<RequestId>r-1</RequestId></ErrorResponse>",
    )


@pytest.fixture
def endpoint(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    settings.SMS_SENDER_ID = "RSSystems"
    settings.SMS_MAX_PRICE_USD = Decimal("0.50")
    with running_endpoint(ACCEPTED) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", server.url)
        yield server


def test_the_message_id_is_kept(endpoint: Endpoint) -> None:
    assert sns.SNS().send(MESSAGE) == Acceptance("sns", "m-1")


def attributes(endpoint: Endpoint) -> dict[str, str]:
    """Return the attributes of the one message that was sent."""
    (body,) = endpoint.bodies
    sent = dict(parse_qsl(body.decode()))
    prefix = "MessageAttributes.entry."
    return {sent[f"{prefix}{n}.Name"]: sent[f"{prefix}{n}.Value.StringValue"] for n in (1, 2, 3)}


def test_a_text_has_its_type_sender_and_highest_price(
    endpoint: Endpoint,
) -> None:
    sns.SNS().send(MESSAGE)
    (body,) = endpoint.bodies
    sent = dict(parse_qsl(body.decode()))
    assert (sent["PhoneNumber"], sent["Message"]) == (MESSAGE.to, MESSAGE.text)
    assert attributes(endpoint) == {
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.SenderID": "RSSystems",
        "AWS.SNS.SMS.MaxPrice": "0.50",
    }


@pytest.mark.parametrize(
    ("text", "price"), [("x" * 160, "0.50"), ("x" * 161, "1.00"), ("ж" * 140, "1.50")]
)
def test_the_highest_price_is_that_of_all_parts(endpoint: Endpoint, text: str, price: str) -> None:
    sns.SNS().send(SMSMessage(MESSAGE.to, text))
    assert attributes(endpoint)["AWS.SNS.SMS.MaxPrice"] == price


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(400, "InvalidParameter"), PermanentError),
        (refusal(400, "ParameterValueInvalid"), PermanentError),
        (refusal(400, "ValidationException"), PermanentError),
        (refusal(400, "Throttling"), ThrottledError),
        (refusal(400, "ThrottlingException"), ThrottledError),
        (refusal(403, "AuthorizationError"), ChannelUnavailableError),
        (refusal(403, "InvalidSecurity"), ChannelUnavailableError),
        (refusal(403, "InvalidClientTokenId"), ChannelUnavailableError),
        (refusal(403, "SomethingElse"), ChannelUnavailableError),
        (refusal(400, "SignatureDoesNotMatch"), ChannelUnavailableError),
        (refusal(400, "SomethingElse"), TransientError),
        (refusal(400, "InvalidParameter", "Invalid parameter: SenderID"), ChannelUnavailableError),
        (refusal(500, "InternalError"), AmbiguousError),
        (refusal(500, "InternalFailure"), AmbiguousError),
        (refusal(503, "ServiceUnavailable"), AmbiguousError),
        (refusal(502, "SomethingElse"), AmbiguousError),
        (Answer(200, "\x00\x01 garbage"), AmbiguousError),
        (Answer(200, ""), AmbiguousError),
        (Answer(200, "<html><body>Sign in to the network</body></html>"), AmbiguousError),
        (Answer(200, ACCEPTED.body[:120]), AmbiguousError),
        (CUT, AmbiguousError),
        (Answer(302, "", {"Location": "http://127.0.0.1:9/"}), AmbiguousError),
        (HANG_UP, AmbiguousError),
        (SILENCE, AmbiguousError),
    ],
)
def test_an_error_answer_becomes_our_error_after_one_call(
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    expected: type[Exception],
) -> None:
    if answer == SILENCE:
        monkeypatch.setattr(sns, "ANSWER_S", 1.0)
    endpoint.answer = answer
    with pytest.raises(DeliveryError) as caught:
        sns.SNS().send(MESSAGE)
    assert type(caught.value) is expected
    assert len(endpoint.bodies) == 1


def test_a_text_that_cannot_be_encoded_is_refused_unsent(endpoint: Endpoint) -> None:
    message = SMSMessage(MESSAGE.to, "half an emoji \ud83d")
    with pytest.raises(NotSendable):
        sns.SNS().encode(message)
    with pytest.raises(NotSendable):
        sns.SNS().send(message)
    assert endpoint.bodies == []


TOPIC = "arn:aws:sns:eu-west-1:123456789012:rs-systems-ses-events"
CONFIRMED = Answer(
    200,
    '<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
    f"<ConfirmSubscriptionResult><SubscriptionArn>{TOPIC}:1</SubscriptionArn>"
    "</ConfirmSubscriptionResult></ConfirmSubscriptionResponse>",
)


def asked(endpoint: Endpoint) -> list[tuple[bool, dict[str, str]]]:
    """Return whether each call was signed, and its parameters but for those that all have."""
    calls = [dict(parse_qsl(body.decode())) for body in endpoint.bodies]
    for call in calls:
        assert call.pop("Action") == "ConfirmSubscription"
        call.pop("Version")
    return list(zip(endpoint.signed, calls, strict=True))


def test_a_confirmed_subscription_can_be_ended_by_its_owner_only(
    endpoint: Endpoint,
) -> None:
    endpoint.answer = CONFIRMED
    sns.confirm_subscription(TOPIC, "t")
    assert asked(endpoint) == [
        (True, {"TopicArn": TOPIC, "Token": "t", "AuthenticateOnUnsubscribe": "true"})
    ]


def test_a_machine_without_credentials_confirms_without_a_signature(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    endpoint.answer = CONFIRMED
    sns.confirm_subscription(TOPIC, "t")
    assert asked(endpoint) == [(False, {"TopicArn": TOPIC, "Token": "t"})]


def test_credentials_without_the_right_are_told_and_not_gone_around(endpoint: Endpoint) -> None:
    endpoint.answer = refusal(403, "AuthorizationError")
    with pytest.raises(ChannelUnavailableError, match="AuthorizationError"):
        sns.confirm_subscription(TOPIC, "t")
    assert len(endpoint.bodies) == 1
