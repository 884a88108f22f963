from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType

from apps.core.message import brand, email_headers, rendering
from tests.support.messages import sample


def about(number: int) -> dict[str, Any]:
    return {"about_type": ContentType.objects.get_for_model(User), "about_id": str(number)}


def test_every_e_mail_says_that_it_is_automatic_and_in_which_language() -> None:
    headers = rendering.email(sample("repair_completed", "es")).headers
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Auto-Response-Suppress"] == "All"
    assert headers["Content-Language"] == "es"
    assert "Reply-To" not in headers


def test_replies_go_to_the_brand_s_address(settings: Any) -> None:
    settings.EMAIL_REPLY_TO = "office@rssystems.com"
    headers = email_headers.of(brand.of_environment(), "en")
    assert headers["Reply-To"] == "office@rssystems.com"


def test_the_e_mails_about_one_thing_are_one_thread(db: None, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "RS Systems <notify@mail.rssystems.com>"
    approved, completed = (
        rendering.email(sample(name, **about(7))).headers
        for name in ("repair_approved", "repair_completed")
    )
    other = rendering.email(sample("repair_approved", **about(8))).headers
    assert approved["References"] == completed["References"] == approved["In-Reply-To"]
    assert approved["References"] != other["References"]
    assert approved["References"].startswith("<user.")
    assert approved["References"].endswith("@mail.rssystems.com>")


def test_an_e_mail_about_nothing_has_no_thread() -> None:
    assert "References" not in rendering.email(sample("repair_approved")).headers


@pytest.mark.parametrize("sender", ["a@b.example", "A <a@b.example>"])
def test_the_domain_is_the_sender_s(settings: Any, sender: str) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    assert email_headers.domain() == "b.example"
