"""Translate SMTP replies and failures into our errors.

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

#: Replies about the account and its credentials, not about the message.
_ACCOUNT_CODES = {530, 534, 535, 538}
_THROTTLE_WORDS = ("throttl", "maximum sending rate", "too many")


def from_reply(code: int, reply: bytes | str) -> DeliveryError:
    """Return the error for a reply that is not a success. A proper reply is never ambiguous."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    words = text.lower()
    if code in _ACCOUNT_CODES or (code >= 400 and any(w in words for w in ses_refusals.OF_ACCOUNT)):
        kind: type[DeliveryError] = ChannelUnavailableError
    elif 400 <= code < 500 or code == 503:
        # 503: the dialogue is out of step. A new connection ends that.
        throttled = any(w in words for w in _THROTTLE_WORDS)
        kind = ThrottledError if throttled else TransientError
    elif code >= 500:
        kind = PermanentError
    else:
        # smtplib gives -1 for a line that is no reply.
        kind = AmbiguousError
    return kind(text, code=str(code))


def from_exception(error: Exception, *, data_sent: bool) -> DeliveryError:
    """Return the error for an exception of smtplib or of the socket.

    `data_sent` says whether the message itself may have gone out. Only then can the server have it.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return from_reply(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPResponseException) and not _is_unreadable(error):
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


def _is_unreadable(error: smtplib.SMTPResponseException) -> bool:
    """Return whether smtplib itself gave up on a reply that is too long; a server's is bytes."""
    return isinstance(error.smtp_error, str)
