"""AWS's answers and boto3's failures in our words."""

from collections.abc import Mapping
from typing import NamedTuple

from botocore import exceptions as aws

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)

#: Those of every service, beside whatever comes with HTTP 401 or 403
#: (https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html).
_COMMON: Mapping[str, type[DeliveryError]] = {
    "ValidationError": PermanentError,
    "ValidationException": PermanentError,
    "AccessDenied": ChannelUnavailableError,
    "AccessDeniedException": ChannelUnavailableError,
    "ExpiredToken": ChannelUnavailableError,
    "ExpiredTokenException": ChannelUnavailableError,
    "IncompleteSignature": ChannelUnavailableError,
    "InvalidClientTokenId": ChannelUnavailableError,
    "MissingAuthenticationToken": ChannelUnavailableError,
    "OptInRequired": ChannelUnavailableError,
    "RequestExpired": ChannelUnavailableError,
    "SignatureDoesNotMatch": ChannelUnavailableError,
    "UnrecognizedClientException": ChannelUnavailableError,
}
#: Nothing of the request left this machine, or nobody took the connection.
_NOT_SENT = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError)
_MISCONFIGURED = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.NoRegionError,
)


class Vocabulary(NamedTuple):
    """What one service says beside what all of them say."""

    codes: Mapping[str, type[DeliveryError]]
    #: Words of a refusal, in lower case, by which it is about the account whatever its code.
    of_account: tuple[str, ...] = ()


def from_exception(
    error: aws.ClientError | aws.BotoCoreError, vocabulary: Vocabulary
) -> DeliveryError:
    """The error for an answer that is not a success, or for a call that brought none."""
    if isinstance(error, aws.ClientError):
        return _from_answer(error, vocabulary)
    if isinstance(error, _MISCONFIGURED):
        kind: type[DeliveryError] = ChannelUnavailableError
    elif isinstance(error, aws.ParamValidationError):
        kind = PermanentError
    elif isinstance(error, _NOT_SENT) or _is_untrusted(error):
        kind = TransientError
    else:
        kind = AmbiguousError
    return kind(str(error), code=type(error).__name__)


def _is_untrusted(error: aws.BotoCoreError) -> bool:
    """Whether the certificate was not believed, before anything was sent."""
    return isinstance(error, aws.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _from_answer(error: aws.ClientError, vocabulary: Vocabulary) -> DeliveryError:
    code = error.response["Error"].get("Code", "")
    words = error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _kind(code, words.lower(), status, vocabulary)(words, code=code or str(status))


def _kind(code: str, words: str, status: int, vocabulary: Vocabulary) -> type[DeliveryError]:
    if status < 500 and any(each in words for each in vocabulary.of_account):
        return ChannelUnavailableError
    if code.startswith("Throttl") or status == 429:
        return ThrottledError
    if known := vocabulary.codes.get(code) or _COMMON.get(code):
        return known
    if status in (401, 403):
        return ChannelUnavailableError
    # A refusal that nobody knows may be about this message alone, so it stops no other.
    return AmbiguousError if status >= 500 else TransientError
