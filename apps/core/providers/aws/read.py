"""Calls to AWS that send nothing: short, once, and their errors in our words.

Whoever makes one makes it again at the next turn, so no worker is held up for long.
"""

from typing import Any

from botocore import exceptions as aws
from botocore import xform_name
from botocore.config import Config

from apps.core.exceptions import (
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)

from . import session

CONFIG = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}
)
#: The codes for a call that the caller has no right to.
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
}


def client(service: str, region: str) -> Any:
    """A client of boto3's; raises ChannelUnavailableError for a Region that cannot be."""
    try:
        return session.new().create_client(service, region_name=region, config=CONFIG)
    except (aws.BotoCoreError, ValueError) as error:
        raise ChannelUnavailableError(str(error), code=type(error).__name__) from error


def ask(client: Any, permission: str, **parameters: Any) -> dict[str, Any]:
    """The answer to one call, which is named by its right, as in `sns:OptInPhoneNumber`.

    Raises ThrottledError, PermanentError for what AWS will not do, ChannelUnavailableError where it
    takes no call from us at all, and TransientError for the rest.
    """
    try:
        action = xform_name(permission.partition(":")[2])
        answer: dict[str, Any] = getattr(client, action)(**parameters)
    except aws.ClientError as error:
        raise _refused(permission, error) from error
    except (aws.BotoCoreError, ValueError) as error:
        raise ChannelUnavailableError(str(error), code=type(error).__name__) from error
    return answer


def _refused(permission: str, error: aws.ClientError) -> DeliveryError:
    said = error.response["Error"]
    code, words = said.get("Code", ""), said.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in DENIED:
        return ChannelUnavailableError(f"not allowed, needs {permission}", code=code)
    if code.startswith("Throttl") or code == "TooManyRequestsException" or status == 429:
        return ThrottledError(words, code=code)
    if status in (401, 403):
        return ChannelUnavailableError(words, code=code)
    kind = PermanentError if 400 <= status < 500 else TransientError
    return kind(words, code=code)
