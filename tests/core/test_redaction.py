import logging
import sys
from typing import Any

import pytest
from django.core import mail
from django.views.debug import ExceptionReporter

from apps.core import redaction
from apps.core.redaction import RedactingAdminEmailHandler, RedactingFormatter, redact


def test_addresses_and_numbers_are_masked_and_the_rest_stays() -> None:
    line = "refused jane.doe+x@fleet.example.com and +12025550123, code 550 5.1.1 id=0f8fad5b"
    assert redact(line) == "refused j***@fleet.example.com and +***23, code 550 5.1.1 id=0f8fad5b"


def test_an_exception_is_masked_too() -> None:
    try:
        raise ValueError("550 no such user: jane@fleet.example")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "to %s", ("+12025550123",), sys.exc_info()
        )
    text = RedactingFormatter().format(record)
    assert "ValueError: 550 no such user: j***@fleet.example" in text
    assert "jane" not in text
    assert "2025550123" not in text


def test_an_error_mail_shows_no_password_of_a_url(settings, rf) -> None:
    settings.CELERY_BROKER_URL = "rediss://:hidden-password@cache.example:6379/0"
    report = ExceptionReporter(rf.get("/"), ValueError, ValueError("broken"), None)
    assert "CELERY_BROKER_URL" in report.get_traceback_text()
    assert "hidden-password" not in report.get_traceback_text()


@pytest.fixture
def handler(settings: Any) -> RedactingAdminEmailHandler:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return RedactingAdminEmailHandler()


def failure(kind: type[Exception], request: Any = None) -> logging.LogRecord:
    try:
        raise kind("broken")
    except kind:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "no", (), sys.exc_info())
    record.request = request
    return record


def test_an_error_is_mailed_once_until_it_was_quiet_for_long_enough(
    handler: RedactingAdminEmailHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (ValueError, ValueError, KeyError, ValueError):
        handler.handle(failure(kind))
    assert len(mail.outbox) == 2, "the one of each kind"
    monkeypatch.setattr(redaction, "QUIET_S", 0)
    handler.handle(failure(ValueError))
    assert len(mail.outbox) == 3


def test_an_error_without_an_exception_is_known_by_its_logging_line(
    handler: RedactingAdminEmailHandler,
) -> None:
    for line in (1, 2, 1):
        handler.handle(logging.LogRecord("x", logging.ERROR, "x.py", line, "no", (), None))
    assert len(mail.outbox) == 2


def test_an_error_of_a_request_that_cannot_be_read_is_mailed_without_it(
    handler: RedactingAdminEmailHandler, rf: Any
) -> None:
    handler.handle(failure(ValueError, rf.get("/?" + "&" * 1001)))
    (told,) = mail.outbox
    assert "ValueError" in told.body
    assert "Request data not supplied" in told.body
