"""E-mail through any of Django's backends: console, SES over SMTP, or another."""

import smtplib
from collections.abc import Mapping
from email.utils import formataddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from . import smtp_errors
from .base import EmailMessage, Receipt


class DjangoMail:
    """Keeps one connection of the backend for the life of the process."""

    def __init__(self, backend: str) -> None:
        self.name = _NAMES.get(backend, backend.rpartition(".")[0].rpartition(".")[2])[:32]
        self._connection: Any = get_connection(backend)

    def prepare(self) -> None:
        """Have the backend's connection open and alive."""
        # Ours says more than Django's own do.
        connect = getattr(self._connection, "connect", self._connection.open)
        try:
            connect()
        except (OSError, smtplib.SMTPException) as error:
            raise smtp_errors.from_exception(error, data_sent=False) from error

    def send(self, message: EmailMessage) -> Receipt:
        mail = EmailMultiAlternatives(
            subject=message.subject,
            body=message.text,
            from_email=formataddr((settings.DEFAULT_FROM_NAME, settings.DEFAULT_FROM_EMAIL)),
            to=[message.to],
            headers=_ses_headers(message.tags),
            connection=self._connection,
        )
        mail.attach_alternative(message.html, "text/html")
        try:
            mail.send()
        except (OSError, smtplib.SMTPException) as error:
            # A backend that is not ours tells too little: the message may have gone out.
            raise smtp_errors.from_exception(error, data_sent=True) from error
        return Receipt(self.name, getattr(mail, "provider_message_id", ""))


_NAMES = {"apps.core.providers.ses_smtp.EmailBackend": "ses-smtp"}


def _ses_headers(tags: Mapping[str, str]) -> dict[str, str]:
    """The headers by which SES puts our own ids into its events, and which it removes."""
    headers = {"X-SES-MESSAGE-TAGS": ", ".join(f"{name}={value}" for name, value in tags.items())}
    if settings.AWS_SES_CONFIGURATION_SET:
        headers["X-SES-CONFIGURATION-SET"] = settings.AWS_SES_CONFIGURATION_SET
    return {name: value for name, value in headers.items() if value}
