"""SMTP's replies and failures in our words.

The classes are those of https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html.
"""

import smtplib

from ..exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from . import ses_refusals

#: Replies about the account and its credentials: every message would get them.
_ACCOUNT_CODES = {530, 534, 535, 538}
_THROTTLE_WORDS = ("throttl", "maximum sending rate", "too many")


def from_reply(code: int, reply: bytes | str) -> DeliveryError:
    """The error for a reply that is not a success. A reply is an answer: never ambiguous."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    words = text.lower()
    if code in _ACCOUNT_CODES or (code >= 400 and any(w in words for w in ses_refusals.OF_ACCOUNT)):
        kind: type[DeliveryError] = ChannelUnavailableError
    elif 400 <= code < 500 or code == 503:
        # 503 is a dialogue out of step, which a new connection mends.
        throttled = any(w in words for w in _THROTTLE_WORDS)
        kind = ThrottledError if throttled else TransientError
    elif code >= 500:
        kind = PermanentError
    else:
        # smtplib gives -1 where the line was no reply at all.
        kind = AmbiguousError
    return kind(text, code=str(code))


def from_exception(error: Exception, *, data_sent: bool) -> DeliveryError:
    """The error for smtplib's exceptions and the socket's.

    `data_sent` says whether the message itself may have gone out before it: only then can the
    server have taken it.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return from_reply(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPResponseException):
        known = from_reply(error.smtp_code, error.smtp_error)
        if isinstance(known, PermanentError) and isinstance(error, smtplib.SMTPSenderRefused):
            # The sender is the same for every message.
            return ChannelUnavailableError(known.detail, code=known.code)
        if isinstance(known, AmbiguousError) and not data_sent:
            return TransientError(known.detail, code=known.code)
        return known
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ChannelUnavailableError(str(error), code="unsupported")
    kind = AmbiguousError if data_sent else TransientError
    return kind(str(error) or type(error).__name__, code=type(error).__name__)
