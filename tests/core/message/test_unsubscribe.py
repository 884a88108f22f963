"""The signed links to unsubscribe, and which e-mails carry them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from apps.core.message import kinds, rendering, unsubscribe
from apps.core.message.unsubscribe import Subscription
from apps.core.models import Notification
from apps.core.states import Channel, Priority
from tests.support.messages import sample

SUBSCRIPTION = Subscription(7, ("approval", "repair_status"))


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = "https://app.rssystems.com"


def message(kind_name: str, priority: Priority | None = None) -> Notification:
    kind = kinds.get(kind_name)
    recipient = User(pk=7, username="jane", password="hash")
    chosen = kind.priority if priority is None else priority
    return sample(kind_name, recipient=recipient, priority=chosen)


def test_a_link_is_about_one_person_and_some_categories() -> None:
    assert unsubscribe.read(unsubscribe.token(SUBSCRIPTION)) == SUBSCRIPTION


def test_an_altered_link_is_about_nothing() -> None:
    token = unsubscribe.token(SUBSCRIPTION)
    body, _, signature = token.partition(".")
    other = unsubscribe.token(Subscription(8, ("approval",)))
    for bad in (
        "",
        "x",
        "x.y",
        body,
        f"{body}.",
        f"{body}.{signature[:-1]}",
        other[:5] + token[5:],
    ):
        assert unsubscribe.read(bad) is None
    with override_settings(SECRET_KEY="another-key-of-this-test"):
        assert unsubscribe.read(token) is None


def test_the_headers_are_those_of_rfc_8058() -> None:
    row = message("repair_completed", Priority.MEDIUM)
    headers = unsubscribe.headers([row])
    token = unsubscribe.token(Subscription(7, ("repair_status",)))
    assert headers == {
        "List-Unsubscribe": f"<https://app.rssystems.com/unsubscribe/{token}/>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


@pytest.mark.parametrize("name", [kind.name for kind in kinds.REGISTRY.values()])
@pytest.mark.parametrize("priority", Priority)
def test_only_urgent_and_required_e_mails_have_no_way_to_unsubscribe(
    name: str, priority: Priority
) -> None:
    row = message(name, priority)
    is_due = priority != Priority.URGENT and Channel.EMAIL not in kinds.get(name).required
    assert bool(unsubscribe.headers([row])) is is_due
    content = rendering.email(row)
    for body in (content.text, content.html):
        assert ("/unsubscribe/" in body) is is_due
        assert f"https://app.rssystems.com/account/#category-{row.category}" in body


def test_a_digest_s_link_is_about_all_its_categories_but_the_urgent_ones() -> None:
    carried = [
        message("repair_completed", Priority.MEDIUM),
        message("repair_assigned", Priority.MEDIUM),
        message("repair_approved"),
    ]
    url = unsubscribe.footer(carried)["unsubscribe_url"]
    found = unsubscribe.read(url.rstrip("/").rpartition("/")[2])
    assert found == Subscription(7, ("assignment", "repair_status"))
