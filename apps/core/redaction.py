"""Keeps addresses and phone numbers out of the logs, and of what providers say."""

import logging
import re
from typing import Any

from django.utils.log import AdminEmailHandler
from django.views.debug import SafeExceptionReporterFilter

_EMAIL = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+'-]*@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_PHONE = re.compile(r"\+\d{6,13}(\d{2})\b")


def redact(text: str) -> str:
    """The text with each e-mail address as `j***@example.com` and each number as `+***34`."""
    return _PHONE.sub(r"+***\1", _EMAIL.sub(r"\1***@\2", text))


def storable(text: str, length: int) -> str:
    """A provider's words for a column of that length: redacted, for they like to quote the address.

    PostgreSQL takes every character but NUL.
    """
    return redact(text.replace("\0", ""))[:length]


class URLHidingFilter(SafeExceptionReporterFilter):
    """For Django's reports of errors, which list the settings: a URL may have a password in it."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL|_BACKEND", re.IGNORECASE
    )


class RedactingAdminEmailHandler(AdminEmailHandler):
    """Django's mail to the administrators, after `redact`, and none about the SNS endpoint.

    What SNS could not deliver it delivers again: a mail for each try would be one for each report
    of an hour, when the database is away.
    """

    def emit(self, record: logging.LogRecord) -> None:
        path = getattr(getattr(record, "request", None), "path", "")
        if not path.startswith("/webhooks/"):
            super().emit(record)

    def send_mail(self, subject: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        super().send_mail(redact(str(subject)), redact(str(message)), *args, **kwargs)


class RedactingFormatter(logging.Formatter):
    """One line of a log, with its exception, after `redact`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
