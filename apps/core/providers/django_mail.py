"""Send e-mail through any Django backend: console, SES by SMTP or by its API, or another."""

import smtplib
from functools import cached_property
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection

from . import mail_format, ses_headers, smtp_errors
from .base import Acceptance, EmailMessage


class _Mail(EmailMultiAlternatives):
    """An e-mail that is encoded once, since quoted-printable takes a millisecond or two."""

    @cached_property
    def _mime(self) -> Any:
        return super().message()

    def message(self, **_: Any) -> Any:
        return self._mime


class DjangoMail:
    """Keeps one connection of the backend for the life of the process."""

    def __init__(self, backend: str) -> None:
        # All backends are called EmailBackend, so the module gives the name.
        self.name = backend.split(".")[-2].replace("_", "-")[:32]
        self._connection: Any = get_connection(backend)
        self._checked: tuple[EmailMessage, _Mail] | None = None

    def prepare(self) -> None:
        """Open the backend's connection; raise DeliveryError."""
        # Our backends raise DeliveryError themselves.
        connect = getattr(self._connection, "connect", self._connection.open)
        try:
            connect()
        except (OSError, smtplib.SMTPException) as error:
            raise smtp_errors.from_exception(error, data_sent=False) from error

    def check(self, message: EmailMessage) -> None:
        self._checked = message, self._encoded(message)

    def send(self, message: EmailMessage) -> Acceptance:
        checked, self._checked = self._checked, None
        mail = checked[1] if checked and checked[0] is message else self._encoded(message)
        try:
            mail.send()
        except (OSError, smtplib.SMTPException) as error:
            # A foreign backend does not say how far it came: the message may have gone out.
            raise smtp_errors.from_exception(error, data_sent=True) from error
        return Acceptance(self.name, getattr(mail, "provider_message_id", ""))

    def _encoded(self, message: EmailMessage) -> "_Mail":
        mail = _Mail(
            subject=message.subject,
            body=message.text,
            from_email=mail_format.our_sender(),
            to=[mail_format.recipient(message.to)],
            headers={**message.headers, **ses_headers.write(message.tags)},
            connection=self._connection,
        )
        mail.attach_alternative(message.html, "text/html")
        mail_format.encode(mail)
        return mail
