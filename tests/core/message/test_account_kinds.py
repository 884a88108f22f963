"""The messages about a person's own account: what only their receiver may see is never stored."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.message import rendering, segments
from apps.core.models import Notification
from apps.core.models.verification import code, token
from tests.support.messages import in_app, sample

SITE = "https://app.rssystems.com"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = SITE


def message(kind_name: str) -> Notification:
    recipient = User(pk=7, username="jane", first_name="Jane", password="hash")
    return sample(kind_name, recipient=recipient, action_url="/account/contact/")


def test_the_text_message_has_the_code_and_fits_one_part() -> None:
    text = rendering.sms(message("confirm_phone")).text
    assert text.startswith(f"{code(ID)} is your RS Systems code.")
    assert segments.count(text).parts == 1
    assert "http" not in text


def test_the_confirmation_s_link_is_in_both_bodies() -> None:
    content = rendering.email(message("confirm_email"))
    link = f"{SITE}/account/contact/confirm/{token(ID)}/"
    assert link in content.text
    assert f'href="{link}"' in content.html


def test_the_link_to_a_new_password_is_in_both_bodies() -> None:
    content = rendering.email(message("new_password"))
    [link] = [line for line in content.text.split() if line.startswith(f"{SITE}/password/")]
    assert f'href="{link}"' in content.html
    assert "user jane" in content.text


@pytest.mark.parametrize("kind_name", ["confirm_phone", "confirm_email", "new_password"])
def test_the_app_shows_neither_code_nor_link(kind_name: str) -> None:
    words = in_app(message(kind_name))
    for secret in (code(ID), token(ID), "/password/"):
        assert secret not in words.title + words.text


def test_codes_have_six_digits_and_follow_from_the_secret_key(settings: Any) -> None:
    before = code(ID)
    assert len(before) == 6
    assert before.isdigit()
    settings.SECRET_KEY = "another-secret-key-of-this-test"
    assert code(ID) != before
