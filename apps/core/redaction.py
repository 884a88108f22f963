"""Mask addresses and phone numbers in logs, and in what providers say."""

import logging
import re
import time
from copy import copy
from traceback import walk_tb
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.log import AdminEmailHandler
from django.views.debug import SafeExceptionReporterFilter

_EMAIL = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+'-]*@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_PHONE = re.compile(r"\+\d{6,13}(\d{2})\b")

#: Seconds after mailing an error for which the process does not mail the same one again.
QUIET_S = 300.0


def redact(text: str) -> str:
    """Return the text with addresses masked as `j***@example.com` and numbers as `+***34`."""
    return _PHONE.sub(r"+***\1", _EMAIL.sub(r"\1***@\2", text))


def storable(text: str, length: int) -> str:
    """Return a provider's words, redacted and cut, for a column of that length.

    Providers quote the recipient's address. PostgreSQL stores every character but NUL.
    """
    return redact(text.replace("\0", ""))[:length]


class URLHidingFilter(SafeExceptionReporterFilter):
    """Hide URLs in the settings that Django's error mails list: they may contain a password."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|_URL|_BACKEND", re.IGNORECASE
    )


class RedactingAdminEmailHandler(AdminEmailHandler):
    """Mail errors to the administrators, redacted, once in QUIET_S each, none of the SNS endpoint.

    SNS repeats what it could not deliver: without a database that would be a mail for each event of
    an hour. A stranger could use up the day's quota of e-mails with one failing page.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: When each error was last mailed, by where it came from.
        self._mailed: dict[tuple[object, ...], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        path = getattr(getattr(record, "request", None), "path", "")
        if path.startswith("/webhooks/") or self._is_repeated(record):
            return
        try:
            super().emit(record)
        except (SuspiciousOperation, BadRequest, MultiPartParserError, UnreadablePostError):
            # Django's mail shows the request's fields, and these cannot be read.
            without = copy(record)
            without.request = None
            super().emit(without)

    def _is_repeated(self, record: logging.LogRecord) -> bool:
        """Return whether this process mailed the same error within QUIET_S; remember it if not."""
        # Only one thread is here at a time: logging has a lock around `emit`.
        now, source = time.monotonic(), _source(record)
        self._mailed = {each: at for each, at in self._mailed.items() if now - at < QUIET_S}
        if source in self._mailed:
            return True
        self._mailed[source] = now
        return False

    def send_mail(self, subject: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        super().send_mail(redact(str(subject)), redact(str(message)), *args, **kwargs)


def _source(record: logging.LogRecord) -> tuple[object, ...]:
    """Return the error's type and the line that raised it, or the line that logged."""
    if not record.exc_info or not record.exc_info[2]:
        return record.pathname, record.lineno
    *_, (frame, line) = walk_tb(record.exc_info[2])
    return record.exc_info[0], frame.f_code.co_filename, line


class RedactingFormatter(logging.Formatter):
    """Format a log record and its exception, redacted."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
