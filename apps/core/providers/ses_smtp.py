"""Send to SES by SMTP. Django's own backend discards the reply, which contains the message ID."""

import smtplib
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parseaddr
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from ..exceptions import ChannelUnavailableError, TransientError
from . import smtp_errors, timed_smtp
from .mail_format import Wire
from .ses_backend import SESBackend

#: Seconds of idleness after which a connection is tested by NOOP, because SES closes idle ones.
IDLE_S = 5.0
#: Seconds and messages after which a connection is replaced in any case.
LIFETIME_S = 300.0
LIFETIME_MESSAGES = 500
#: Seconds for one message from MAIL to its acceptance, below the soft limit of a task.
DIALOGUE_S = 15.0
#: Seconds for the answer to NOOP.
NOOP_S = 5.0
#: The reply of a server that closes the connection (RFC 5321, 3.8).
CLOSING = 421


class EmailBackend(SESBackend, SMTPBackend):
    """Sends over one connection that is kept open and replaced when stale."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened_at = self._used_at = 0.0
        self._sent = 0

    @property
    def connection_class(self) -> type[timed_smtp.SMTP | timed_smtp.SMTP_SSL]:
        return timed_smtp.SMTP_SSL if self.use_ssl else timed_smtp.SMTP

    @property
    def _smtp(self) -> timed_smtp.SMTP | timed_smtp.SMTP_SSL:
        assert isinstance(self.connection, timed_smtp.SMTP | timed_smtp.SMTP_SSL), "open() first"
        return self.connection

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        with self._lock:
            return super().send_messages(email_messages)

    def open(self) -> bool | None:
        if self.connection and self._stale():
            self._drop()
        opened = super().open()
        if opened:
            # Without TLS and a login nothing else has said EHLO.
            self._smtp.ehlo_or_helo_if_needed()
            self._opened_at = self._used_at = time.monotonic()
            self._sent = 0
        return opened

    def _stale(self) -> bool:
        now = time.monotonic()
        if now - self._opened_at > LIFETIME_S or self._sent >= LIFETIME_MESSAGES:
            return True
        if now - self._used_at <= IDLE_S:
            return False
        try:
            self._smtp.deadline = now + NOOP_S
            return self._smtp.noop()[0] != 250
        except (OSError, smtplib.SMTPException):
            return True

    def _drop(self) -> None:
        """Close without QUIT: its answer may never come."""
        if self.connection:
            self.connection.close()
        self.connection = None

    def hand_over(self, wire: Wire) -> str:
        for_ses = "".join(f"{name}: {value}\r\n" for name, value in wire.ses.items())
        payload = for_ses.encode("ascii") + wire.payload
        try:
            reply = self._converse(parseaddr(wire.sender)[1], wire.recipients, payload)
        except BaseException:
            # Also for a time limit of the task: the next message must not read this one's answers.
            self._drop()
            raise
        self._used_at = time.monotonic()
        self._sent += 1
        return _message_id(reply)

    def _converse(self, sender: str, recipients: list[str], payload: bytes) -> bytes:
        """Send one message over the connection; return the reply that accepts it."""
        try:
            self._envelope(sender, recipients)
        except (OSError, smtplib.SMTPException) as error:
            raise smtp_errors.from_exception(error, data_sent=False) from error
        try:
            code, reply = self._smtp.data(payload)
        except smtplib.SMTPDataError as error:
            # The server refused DATA itself, before any of the message.
            raise smtp_errors.from_exception(error, data_sent=False) from error
        except (OSError, smtplib.SMTPException) as error:
            raise smtp_errors.from_exception(error, data_sent=True) from error
        if code != 250:
            raise smtp_errors.from_reply(code, reply)
        return reply

    def connect(self) -> None:
        """Open a connection, or test the one that is open; raise DeliveryError."""
        try:
            self.open()
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            known = smtp_errors.from_exception(error, data_sent=False)
            if isinstance(known, TransientError):
                raise known from error
            # No message was named yet, so the refusal is about the account.
            raise ChannelUnavailableError(known.detail, code=known.code) from error
        except ValueError as error:
            # The server's name, the user or the password cannot be encoded. The error quotes them.
            self._drop()
            problem = (
                "no connection can be opened with AWS_SES_HOST, AWS_SES_SMTP_USER and "
                "AWS_SES_SMTP_PASSWORD: one of them cannot be encoded"
            )
            raise ChannelUnavailableError(problem, code=type(error).__name__) from error
        except BaseException:
            # A time limit of the task: the next message must not read half a greeting.
            self._drop()
            raise
        if not self.connection:
            raise TransientError("no connection")

    def _envelope(self, sender: str, recipients: list[str]) -> None:
        code, reply = self._begin(sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, reply, sender)
        for recipient in recipients:
            code, reply = self._smtp.rcpt(recipient)
            if code not in (250, 251, 252):
                raise smtplib.SMTPRecipientsRefused({recipient: (code, reply)})

    def _begin(self, sender: str) -> tuple[int, bytes]:
        """Open a connection if needed and say MAIL; return the reply."""
        deadline = time.monotonic() + DIALOGUE_S
        self.connect()
        self._smtp.deadline = deadline
        if self._sent:
            # A server may close after each message, which shows at the next one only.
            with suppress(OSError, smtplib.SMTPServerDisconnected):
                code, reply = self._smtp.mail(sender)
                if code != CLOSING:
                    return code, reply
            self._drop()
            self.connect()
            self._smtp.deadline = deadline
        return self._smtp.mail(sender)


def _message_id(reply: bytes) -> str:
    """Return the ID from SES's reply `Ok <MessageID>`."""
    words = reply.decode(errors="replace").split()
    return words[1] if len(words) > 1 else ""
