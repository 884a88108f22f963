"""What AWS's refusals of a call that sends nothing become: botocore's Stubber answers."""

import boto3
import pytest
from botocore.stub import Stubber

from apps.core.exceptions import (
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers.aws import read

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
    client = boto3.client("sns", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("list_phone_numbers_opted_out", code, "words", status)
        with pytest.raises(DeliveryError) as raised:
            read.ask(client, PERMISSION)
    assert type(raised.value) is kind
    assert raised.value.code == code


def test_a_missing_right_is_named() -> None:
    client = boto3.client("sns", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("list_phone_numbers_opted_out", "AuthorizationError", "no", 403)
        with pytest.raises(ChannelUnavailableError, match=f"not allowed, needs {PERMISSION}"):
            read.ask(client, PERMISSION)


@pytest.mark.parametrize("region", ["", "not a region"])
def test_a_region_that_cannot_be_is_said(region: str) -> None:
    with pytest.raises(ChannelUnavailableError):
        read.ask(read.client("sns", region), PERMISSION)


def test_a_call_is_made_once_and_not_waited_for_long() -> None:
    config = read.client("sns", "us-east-1").meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout < 10
