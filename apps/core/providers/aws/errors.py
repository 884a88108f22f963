"""AWS's answers and botocore's failures in our words."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)


class Cause(Enum):
    """Why a call to AWS brought no result."""

    #: The caller lacks the right.
    DENIED = auto()
    #: There are no credentials, or AWS does not take them.
    CREDENTIALS = auto()
    NOT_FOUND = auto()
    THROTTLED = auto()
    #: Any other 4xx.
    REFUSED = auto()
    #: Any 5xx.
    SERVER_ERROR = auto()
    #: Nothing of the request left this machine, or no connection was made.
    UNREACHED = auto()
    #: The request may have gone out, and no answer came that can be read.
    NO_ANSWER = auto()
    #: botocore found the parameters wrong and sent nothing.
    PARAMETERS = auto()
    #: No client can be made: the Region or the endpoint is wrong.
    MISCONFIGURED = auto()


#: The codes of every service, beside what the HTTP status says
#: (https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html).
_CODES: Mapping[str, Cause] = {
    "AccessDenied": Cause.DENIED,
    "AccessDeniedException": Cause.DENIED,
    "AuthorizationError": Cause.DENIED,
    "AuthorizationErrorException": Cause.DENIED,
    "ExpiredToken": Cause.CREDENTIALS,
    "ExpiredTokenException": Cause.CREDENTIALS,
    "IncompleteSignature": Cause.CREDENTIALS,
    "InvalidClientTokenId": Cause.CREDENTIALS,
    "MissingAuthenticationToken": Cause.CREDENTIALS,
    "OptInRequired": Cause.CREDENTIALS,
    "RequestExpired": Cause.CREDENTIALS,
    "SignatureDoesNotMatch": Cause.CREDENTIALS,
    "UnrecognizedClientException": Cause.CREDENTIALS,
    "AWS.SimpleQueueService.NonExistentQueue": Cause.NOT_FOUND,
    "NoSuchEntity": Cause.NOT_FOUND,
    "NotFound": Cause.NOT_FOUND,
    "NotFoundException": Cause.NOT_FOUND,
    "QueueDoesNotExist": Cause.NOT_FOUND,
    "ResourceNotFoundException": Cause.NOT_FOUND,
    "TooManyRequestsException": Cause.THROTTLED,
}
_FAILURES: Mapping[type[Exception], Cause] = {
    aws.NoCredentialsError: Cause.CREDENTIALS,
    aws.PartialCredentialsError: Cause.CREDENTIALS,
    aws.CredentialRetrievalError: Cause.CREDENTIALS,
    aws.NoRegionError: Cause.MISCONFIGURED,
    aws.InvalidRegionError: Cause.MISCONFIGURED,
    aws.EndpointProviderError: Cause.MISCONFIGURED,
    aws.ParamValidationError: Cause.PARAMETERS,
    aws.EndpointConnectionError: Cause.UNREACHED,
    aws.ConnectTimeoutError: Cause.UNREACHED,
    aws.ProxyConnectionError: Cause.UNREACHED,
}
#: What botocore's parsers raise, and reading what they return, for an answer that is not AWS's.
UNREADABLE = (
    ResponseParserError,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
#: AWS may ask for another right than that of the call's name.
_MISSING_RIGHT = re.compile(r"not authorized to perform: ([\w-]+:\w+)")


class CallFailed(Exception):
    """AWS refused a call, or no answer came.

    `words` are AWS's or botocore's own; `code` is AWS's code or the name of botocore's exception;
    `status` is that of HTTP, None without an answer; `missing_right` is AWS's name of the right
    that a denied call needs, if AWS names it.
    """

    def __init__(self, cause: Cause, words: str, code: str, status: int | None = None) -> None:
        super().__init__(f"{code} {words}".strip())
        self.cause, self.words, self.code, self.status = cause, words, code, status
        named = _MISSING_RIGHT.search(words)
        self.missing_right = named[1] if named else ""


def from_exception(error: aws.ClientError | aws.BotoCoreError) -> CallFailed:
    """Return what a call's exception means."""
    if isinstance(error, aws.ClientError):
        return _from_answer(error)
    if _is_unwritable(error):
        # Not botocore's words, which quote the session token.
        words = "the credentials have a line break or another character that HTTP refuses"
        return CallFailed(Cause.CREDENTIALS, words, type(error).__name__)
    cause = next(
        (cause for kind, cause in _FAILURES.items() if isinstance(error, kind)), Cause.NO_ANSWER
    )
    if _is_untrusted(error):
        cause = Cause.UNREACHED
    return CallFailed(cause, str(error), type(error).__name__)


def from_unreadable(error: Exception) -> CallFailed:
    """Return what an UNREADABLE of a call means."""
    return CallFailed(
        Cause.NO_ANSWER, f"the answer cannot be read: {error!r}", type(error).__name__
    )


def _from_answer(error: aws.ClientError) -> CallFailed:
    code = error.response["Error"].get("Code", "")
    words = error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return CallFailed(_cause(code, status), words, code or str(status), status)


def _cause(code: str, status: int) -> Cause:
    if code.startswith("Throttl") or status == 429:
        return Cause.THROTTLED
    if status >= 500:
        # Whatever its code: AWS may have done the work before it failed.
        return Cause.SERVER_ERROR
    if known := _CODES.get(code):
        return known
    return Cause.CREDENTIALS if status in (401, 403) else Cause.REFUSED


def _is_untrusted(error: aws.BotoCoreError) -> bool:
    """Return whether the server's certificate was refused, which is before anything is sent."""
    return isinstance(error, aws.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _is_unwritable(error: aws.BotoCoreError) -> bool:
    """Return whether a header could not be written, which is before anything is sent.

    The credentials are in the only headers that are not ours or botocore's.
    """
    inner = error.kwargs.get("error") if isinstance(error, aws.HTTPClientError) else None
    return isinstance(inner, ValueError) and "header value" in str(inner)


class Vocabulary(NamedTuple):
    """What one service's refusals of a message mean, beside what all services say."""

    codes: Mapping[str, type[DeliveryError]]
    #: Words of a refusal, in lower case, that make it about the account whatever its code.
    of_account: tuple[str, ...] = ()


_CODES_OF_SENDING: Mapping[str, type[DeliveryError]] = {
    "ValidationError": PermanentError,
    "ValidationException": PermanentError,
}
_OF_SENDING: Mapping[Cause, type[DeliveryError]] = {
    Cause.DENIED: ChannelUnavailableError,
    Cause.CREDENTIALS: ChannelUnavailableError,
    Cause.MISCONFIGURED: ChannelUnavailableError,
    Cause.THROTTLED: ThrottledError,
    # An unknown refusal may be about this message alone, so it stops no other.
    Cause.NOT_FOUND: TransientError,
    Cause.REFUSED: TransientError,
    Cause.UNREACHED: TransientError,
    Cause.PARAMETERS: PermanentError,
    Cause.SERVER_ERROR: AmbiguousError,
    Cause.NO_ANSWER: AmbiguousError,
}
_OF_READING: Mapping[Cause, type[DeliveryError]] = {
    Cause.DENIED: ChannelUnavailableError,
    Cause.CREDENTIALS: ChannelUnavailableError,
    Cause.MISCONFIGURED: ChannelUnavailableError,
    Cause.THROTTLED: ThrottledError,
    Cause.NOT_FOUND: PermanentError,
    Cause.REFUSED: PermanentError,
    Cause.PARAMETERS: PermanentError,
    Cause.UNREACHED: TransientError,
    Cause.SERVER_ERROR: TransientError,
    Cause.NO_ANSWER: TransientError,
}


def of_sending(failed: CallFailed, vocabulary: Vocabulary) -> DeliveryError:
    """Return the error for a call that hands over a message."""
    return _kind_of_sending(failed, vocabulary)(failed.words, code=failed.code)


def _kind_of_sending(failed: CallFailed, vocabulary: Vocabulary) -> type[DeliveryError]:
    if failed.status is not None and failed.status < 500:
        words = failed.words.lower()
        if any(each in words for each in vocabulary.of_account):
            return ChannelUnavailableError
    if failed.cause not in (Cause.THROTTLED, Cause.SERVER_ERROR):
        known = vocabulary.codes.get(failed.code) or _CODES_OF_SENDING.get(failed.code)
        if known:
            return known
    return _OF_SENDING[failed.cause]


def of_reading(failed: CallFailed, permission: str) -> DeliveryError:
    """Return the error for a call that sends nothing, and that needs this right."""
    words = failed.words
    if failed.cause == Cause.DENIED:
        words = f"not allowed, needs {failed.missing_right or permission}"
    return _OF_READING[failed.cause](words, code=failed.code)
