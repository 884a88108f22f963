"""What AWS's refusals of a call that sends nothing become: botocore's Stubber answers."""

import pytest
from botocore.stub import Stubber

from apps.core.exceptions import (
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers.aws.client import SHORT, create
from apps.core.providers.aws.read import Reader

PERMISSION = "sns:ListPhoneNumbersOptedOut"


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AuthorizationError", 403, ChannelUnavailableError),
        ("AccessDeniedException", 400, ChannelUnavailableError),
        ("InvalidClientTokenId", 403, ChannelUnavailableError),
        ("Throttled", 429, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("TooManyRequestsException", 429, ThrottledError),
        ("InvalidParameter", 400, PermanentError),
        ("NotFoundException", 404, PermanentError),
        ("InternalError", 500, TransientError),
    ],
)
def test_each_refusal_says_what_is_to_be_done(
    code: str, status: int, kind: type[DeliveryError]
) -> None:
    reader = Reader("sns", "us-east-1")
    with Stubber(reader.client) as stub:
        stub.add_client_error("list_phone_numbers_opted_out", code, "words", status)
        with pytest.raises(DeliveryError) as raised:
            reader.ask(PERMISSION)
    assert type(raised.value) is kind
    assert raised.value.code == code


def test_a_missing_right_is_named() -> None:
    reader = Reader("sns", "us-east-1")
    with Stubber(reader.client) as stub:
        stub.add_client_error("list_phone_numbers_opted_out", "AuthorizationError", "no", 403)
        with pytest.raises(ChannelUnavailableError, match=f"not allowed, needs {PERMISSION}"):
            reader.ask(PERMISSION)


def test_a_region_that_cannot_be_is_said() -> None:
    with pytest.raises(ChannelUnavailableError):
        Reader("sns", "not a region")


def test_a_call_is_made_once_and_not_waited_for_long() -> None:
    config = Reader("sns", "us-east-1").client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout < 10


def test_only_a_client_that_may_retry_does() -> None:
    tries = {
        retry: create("logs", "us-east-1", SHORT, retry=retry).meta.config.retries
        for retry in (False, True)
    }
    assert tries[False]["total_max_attempts"] == 1
    assert tries[True]["total_max_attempts"] == 3


def test_the_right_that_aws_names_is_the_one_that_is_missing() -> None:
    reader = Reader("sns", "us-east-1")
    words = "User: x is not authorized to perform: iam:PassRole on resource: y"
    with Stubber(reader.client) as stub:
        stub.add_client_error("list_phone_numbers_opted_out", "AccessDenied", words, 403)
        with pytest.raises(ChannelUnavailableError, match="not allowed, needs iam:PassRole"):
            reader.ask(PERMISSION)
