import logging
import sys

from django.views.debug import ExceptionReporter

from apps.core.redaction import RedactingFormatter, redact


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


def test_a_report_of_an_error_shows_no_password_of_a_url(settings, rf) -> None:
    settings.CELERY_BROKER_URL = "rediss://:hidden-password@cache.example:6379/0"
    report = ExceptionReporter(rf.get("/"), ValueError, ValueError("broken"), None)
    assert "CELERY_BROKER_URL" in report.get_traceback_text()
    assert "hidden-password" not in report.get_traceback_text()
