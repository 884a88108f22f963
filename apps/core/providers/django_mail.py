"""Send e-mail through any Django backend: console, SES by SMTP or by its API, or another."""

import smtplib
import threading
from functools import cached_property
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection

from . import mail_format, ses_headers, smtp_errors
from .base import Acceptance, EmailMessage
from .mail_format import Wire
from .ses_backend import SESBackend


class _Mail(EmailMultiAlternatives):
    """An e-mail that is encoded once, since quoted-printable takes a millisecond or two."""

    @cached_property
    def _mime(self) -> Any:
        return super().message()

    def message(self, **_: Any) -> Any:
        return self._mime


class DjangoMail:
    """Keeps one connection of the backend for each thread that sends."""

    def __init__(self, backend: str) -> None:
        # All backends are called EmailBackend, so the module gives the name.
        self.name = backend.split(".")[-2].replace("_", "-")[:32]
        self._backend = backend
        self._own = threading.local()
        self._is_ours = isinstance(self._connection, SESBackend)

    @property
    def _connection(self) -> Any:
        if not hasattr(self._own, "connection"):
            self._own.connection = get_connection(self._backend)
        return self._own.connection

    def encode(self, message: EmailMessage) -> "Wire | _Mail":
        sender, recipient = (
            mail_format.our_sender(message.sender_name),
            mail_format.recipient(message.to),
        )
        if self._is_ours:
            return mail_format.wire(message, sender, recipient)
        mail = _Mail(
            subject=message.subject,
            body=message.text,
            from_email=sender,
            to=[recipient],
            headers={**ses_headers.write(message.tags), **message.headers},
        )
        mail.attach_alternative(message.html, "text/html")
        mail_format.encode(mail)
        return mail

    def send(self, encoded: "Wire | _Mail") -> Acceptance:
        if isinstance(encoded, Wire):
            return Acceptance(self.name, self._connection.send_wire(encoded))
        encoded.connection = self._connection
        try:
            encoded.send()
        except (OSError, smtplib.SMTPException) as error:
            # A foreign backend does not say how far it came: the message may have gone out.
            raise smtp_errors.from_exception(error, data_sent=True) from error
        return Acceptance(self.name, getattr(encoded, "provider_message_id", ""))
