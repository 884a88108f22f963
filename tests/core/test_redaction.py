import logging
import sys

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
