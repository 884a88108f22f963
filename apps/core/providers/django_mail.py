"""Send e-mail through any Django backend: console, SES by SMTP or by its API, or another."""

import smtplib
from email.utils import formataddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from . import ses_headers, smtp_errors
from .base import Acceptance, EmailMessage


class DjangoMail:
    """Keeps one connection of the backend for the life of the process."""

    def __init__(self, backend: str) -> None:
        # All backends are called EmailBackend, so the module gives the name.
        self.name = backend.split(".")[-2].replace("_", "-")[:32]
        self._connection: Any = get_connection(backend)

    def prepare(self) -> None:
        """Open the backend's connection; raise DeliveryError."""
        # Our backends raise DeliveryError themselves.
        connect = getattr(self._connection, "connect", self._connection.open)
        try:
            connect()
        except (OSError, smtplib.SMTPException) as error:
            raise smtp_errors.from_exception(error, data_sent=False) from error

    def send(self, message: EmailMessage) -> Acceptance:
        mail = EmailMultiAlternatives(
            subject=message.subject,
            body=message.text,
            from_email=formataddr((settings.DEFAULT_FROM_NAME, settings.DEFAULT_FROM_EMAIL)),
            to=[message.to],
            headers=ses_headers.write(message.tags),
            connection=self._connection,
        )
        mail.attach_alternative(message.html, "text/html")
        try:
            mail.send()
        except (OSError, smtplib.SMTPException) as error:
            # A foreign backend does not say how far it came: the message may have gone out.
            raise smtp_errors.from_exception(error, data_sent=True) from error
        return Acceptance(self.name, getattr(mail, "provider_message_id", ""))
