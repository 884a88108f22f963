from typing import Any

import pytest

from apps.core.checks import check_values
from apps.core.providers import mail_format


@pytest.mark.parametrize(
    ("address", "name", "expected"),
    [
        ("n@example.com", "RS Systems", "RS Systems <n@example.com>"),
        ("Glass Ltd <n@example.com>", "RS Systems", "Glass Ltd <n@example.com>"),
        ("n@example.com", "", "n@example.com"),
    ],
)
def test_a_name_in_the_address_wins(settings: Any, address: str, name: str, expected: str) -> None:
    settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME = address, name
    assert mail_format.our_sender() == expected


def test_a_long_name_is_on_one_line_of_short_encoded_words(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME = "n@example.com", "ж" * 100
    sender = mail_format.our_sender()
    assert "\n" not in sender
    assert max(map(len, sender.split())) <= 75
    assert mail_format.sender(sender) == sender


@pytest.mark.parametrize("address", ["n", "jürgen@example.com", "a b@example.com", "@example.com"])
def test_the_system_check_names_a_sender_that_cannot_be_used(settings: Any, address: str) -> None:
    settings.DEFAULT_FROM_EMAIL = address
    assert "notifications.E020" in [each.id for each in check_values(None)]
