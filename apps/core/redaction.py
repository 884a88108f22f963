"""Keeps addresses and phone numbers out of the logs, and of what providers say."""

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

#: Seconds for which a process that mailed an error to the administrators mails it no more.
QUIET_S = 300.0


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
    of an hour, when the database is away. What else fails is mailed once in QUIET_S: whoever finds
    a page that fails could otherwise use up the day's quota of e-mails with it.
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
            # The report shows the request's fields, and these cannot be read.
            without = copy(record)
            without.request = None
            super().emit(without)

    def _is_repeated(self, record: logging.LogRecord) -> bool:
        """Whether this process mailed the same within QUIET_S; if not, it does now."""
        # Of several threads one is here at a time: logging has a lock around `emit`.
        now, source = time.monotonic(), _source(record)
        self._mailed = {each: at for each, at in self._mailed.items() if now - at < QUIET_S}
        if source in self._mailed:
            return True
        self._mailed[source] = now
        return False

    def send_mail(self, subject: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        super().send_mail(redact(str(subject)), redact(str(message)), *args, **kwargs)


def _source(record: logging.LogRecord) -> tuple[object, ...]:
    """The kind of the error and the line that raised it; without one, the line that logged."""
    if not record.exc_info or not record.exc_info[2]:
        return record.pathname, record.lineno
    *_, (frame, line) = walk_tb(record.exc_info[2])
    return record.exc_info[0], frame.f_code.co_filename, line


class RedactingFormatter(logging.Formatter):
    """One line of a log, with its exception, after `redact`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
