"""Translate AWS's error answers and boto3's failures into our errors."""

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

#: The codes of every service. Any answer with HTTP 401 or 403 is about the account as well
#: (https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html).
_COMMON: Mapping[str, type[DeliveryError]] = {
    "ServiceUnavailable": TransientError,
    "ServiceUnavailableException": TransientError,
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
#: No connection was made, so nothing of the request was sent.
_NOT_SENT = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError)
_MISCONFIGURED = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.NoRegionError,
)


class Vocabulary(NamedTuple):
    """The error codes of one service, in addition to the common ones."""

    codes: Mapping[str, type[DeliveryError]]
    #: Words in lower case that make a refusal one of the account, whatever its code.
    of_account: tuple[str, ...] = ()


def from_exception(
    error: aws.ClientError | aws.BotoCoreError, vocabulary: Vocabulary
) -> DeliveryError:
    """Return the error for an error answer or for a call without an answer."""
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
    """Return whether the certificate was refused, before anything was sent."""
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
    # An unknown refusal may be about this message only, so it does not stop the channel.
    return AmbiguousError if status >= 500 else TransientError
