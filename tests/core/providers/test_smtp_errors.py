import smtplib

import pytest

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers import smtp_errors


@pytest.mark.parametrize(
    ("code", "reply", "expected"),
    [
        (421, b"Too many concurrent SMTP connections", ThrottledError),
        (451, b"Temporary service failure", TransientError),
        (451, b"Timeout waiting for data from client.", TransientError),
        (454, b"Throttling failure: Maximum sending rate exceeded", ThrottledError),
        (454, b"Throttling failure: Daily message quota exceeded", ChannelUnavailableError),
        (554, b"Message rejected: Sending suspended for this account.", ChannelUnavailableError),
        (554, b"Configuration set does not exist", ChannelUnavailableError),
        (503, b"nested MAIL command", TransientError),
        (454, b"Temporary authentication failure", TransientError),
        (530, b"Authentication required", ChannelUnavailableError),
        (535, b"Authentication Credentials Invalid", ChannelUnavailableError),
        (554, b"Access denied: User is not authorized", ChannelUnavailableError),
        (554, b"Message rejected: Email address is not verified.", ChannelUnavailableError),
        (552, b"Message is too long", PermanentError),
        (553, b"Bad address", PermanentError),
        (554, b"Transaction failed", PermanentError),
        (550, b"5.1.1 no such user", PermanentError),
        (-1, b"not SMTP at all", AmbiguousError),
    ],
)
def test_a_reply_becomes_our_error(code: int, reply: bytes, expected: type[DeliveryError]) -> None:
    error = smtp_errors.from_reply(code, reply)
    assert type(error) is expected
    assert (error.code, error.detail) == (str(code), reply.decode())


def test_a_lost_connection_is_ambiguous_only_after_the_message() -> None:
    lost = smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
    assert type(smtp_errors.from_exception(lost, data_sent=False)) is TransientError
    assert type(smtp_errors.from_exception(lost, data_sent=True)) is AmbiguousError
    assert type(smtp_errors.from_exception(TimeoutError(), data_sent=True)) is AmbiguousError


def test_an_answer_is_never_ambiguous() -> None:
    refused = smtplib.SMTPRecipientsRefused({"x@y.example": (550, b"no such user")})
    assert type(smtp_errors.from_exception(refused, data_sent=True)) is PermanentError
    busy = smtplib.SMTPDataError(451, b"Temporary service failure")
    assert type(smtp_errors.from_exception(busy, data_sent=True)) is TransientError
