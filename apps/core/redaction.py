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
from structlog.contextvars import merge_contextvars
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict

# Each pattern is linear in the text: the lookbehinds and the possessive quantifiers (`*+`) let no
# character be tried from more than a few starts. Strangers write these texts.
_LOCAL = r"\w!#$%'*+\-./=^`{|}~"
_DOMAIN = r"\[[^\]\s]{1,64}+\]|\w[\w.\-]*+"
_AT = "[@\ufe6b\uff20]"
#: What people write between the digits of a number: also spaces and hyphens that do not break.
_GAP = r"[ ().\-/\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212]"
_EMAIL = re.compile(
    rf"(?<![{_LOCAL}])([A-Za-z_]{{1,30}}=)?([{_LOCAL}])[{_LOCAL}]*+{_AT}({_DOMAIN})"
)
_QUOTED_EMAIL = re.compile(rf'"(?:[^"\\\n]|\\.){{1,64}}+"{_AT}({_DOMAIN})')
#: In the query of an address: `q=tom%40fleet.example`.
_QUOTED_AT = re.compile(
    r"(?<![\w.+\-])([A-Za-z_]{1,30}=)?([\w.+\-])[\w.+\-]*+%40(\w[\w.\-]*+)", re.IGNORECASE
)
_PHONE = re.compile(
    rf"(?:\+|%2B)\d(?:{_GAP}{{0,3}}\d){{5,14}}(?!\d)"
    # Without a plus: 10 to 15 digits, but not those of an ID, a path or an ARN.
    r"|(?<![\w./+\-])(?:00)?(?!0)\d{10,15}(?![\w:/\-])"
    rf"|(?<![\w.:/+\-])(?:1{_GAP}?)?(?:\(\d{{3}}\){_GAP}?|\d{{3}}{_GAP})\d{{3}}{_GAP}?\d{{4}}(?![\w\-])",
    re.IGNORECASE,
)

#: Seconds after mailing an error for which the process does not mail the same one again.
QUIET_S = 300.0


#: Characters of a log entry and of an e-mail to the administrators.
MAX_LOGGED, MAX_MAILED = 16_384, 262_144
#: Characters of the longest address.
MAX_ADDRESS = 320


def redact(text: str) -> str:
    """Return the text with addresses masked as `j***@example.com` and numbers as `+***34`."""
    masked = _QUOTED_EMAIL.sub(r'"***"@\1', text)
    for pattern in (_EMAIL, _QUOTED_AT):
        masked = pattern.sub(lambda match: f"{match[1] or ''}{match[2]}***@{match[3]}", masked)
    return _PHONE.sub(_masked_number, masked)


def _masked_number(match: re.Match[str]) -> str:
    return f"+***{re.sub('[^0-9]', '', match[0])[-2:]}"


def cut(text: str, length: int) -> str:
    """Return the beginning of the text, without the address that the cut may go through."""
    if len(text) <= length:
        return text
    kept = text[:length]
    words, space, last = kept.rpartition(" ")
    return words if space and len(last) <= MAX_ADDRESS else kept[: max(0, length - MAX_ADDRESS)]


def whole(text: str) -> str:
    """Return the text with U+FFFD for what no database stores: NUL, and halves of characters."""
    units = text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass")
    return units.decode("utf-16", "replace")


def storable(text: str, length: int) -> str:
    """Return a provider's words, redacted and cut, for a column of that length.

    Providers quote the recipient's address.
    """
    return redact(whole(cut(text, length + 2 * MAX_ADDRESS)))[:length]


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
        mailed = redact(cut(str(message), MAX_MAILED))
        super().send_mail(redact(cut(str(subject), MAX_LOGGED)), mailed, *args, **kwargs)


def _source(record: logging.LogRecord) -> tuple[object, ...]:
    """Return the error's type and the line that raised it, or the line that logged."""
    if not record.exc_info or not record.exc_info[2]:
        return record.pathname, record.lineno
    *_, (frame, line) = walk_tb(record.exc_info[2])
    return record.exc_info[0], frame.f_code.co_filename, line


class RedactingFormatter(ProcessorFormatter):
    """Format log records of every logger, redacted: as lines for people, or as JSON.

    Each has the ids that structlog.contextvars binds: of the request, the task, the delivery.
    """

    def __init__(self, form: str = "text") -> None:
        super().__init__(
            foreign_pre_chain=[merge_contextvars, add_log_level, add_logger_name],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                TimeStamper(fmt="iso"),
                format_exc_info,
                _redact_values,
                JSONRenderer(ensure_ascii=False) if form == "json" else _line,
            ],
            use_get_message=True,
        )


def _redact_values(_: Any, __: str, event: EventDict) -> EventDict:
    """Redact each value by itself, before JSON escapes what the patterns look for."""
    return {name: redact(cut(str(value), MAX_LOGGED)) for name, value in event.items()}


def _line(_: Any, __: str, event: EventDict) -> str:
    names = ("timestamp", "level", "logger", "event")
    timestamp, level, logger, words = (event.pop(name, "") for name in names)
    # Other people's words may have line breaks: none may look like an entry of its own.
    words = "\n  ".join(str(words).splitlines())
    trace = event.pop("exception", "")
    ids = "".join(f" {name}={value}" for name, value in sorted(event.items()))
    line = f"{timestamp} {level.upper()} {logger} {words}{ids}"
    return cut(f"{line}\n{trace}" if trace else line, MAX_LOGGED)
