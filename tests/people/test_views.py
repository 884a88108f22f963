from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Notification
from apps.core.states import Priority
from apps.people.views import local_path

INBOX = "/notifications/"


@pytest.fixture
def user(person: Callable[..., User]) -> User:
    return person()


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def message(user: User) -> Callable[..., Notification]:
    """Create one in-app message."""

    def make(**values: Any) -> Notification:
        given = {
            "recipient": user,
            "kind": "repair_approved",
            "category": "approval",
            "priority": Priority.URGENT,
            "context": {},
            "title": "R-1042 is approved",
            "text": "You can start.",
            "action_url": "/repairs/42/",
        }
        return Notification.objects.create(**{**given, **values})

    return make


def bell(client: Client, shown: str = "") -> Any:
    return client.get(INBOX + "bell/", {"shown": shown}, headers={"HX-Request": "true"})


def test_the_inbox_shows_the_newest_first_read_or_not(signed_in, message):
    now = timezone.now()
    message(title="two days old", visible_from=now - timedelta(days=2))
    message(title="of today", read_at=now, visible_from=now)
    message(title="one day old", visible_from=now - timedelta(days=1))
    page = signed_in.get(INBOX).content.decode()
    titles = ["of today", "one day old", "two days old"]
    assert sorted(titles, key=page.index) == titles


def test_an_empty_inbox_says_so(signed_in):
    assert "No notifications yet" in signed_in.get(INBOX).content.decode()


def test_the_inbox_does_not_show_another_users_message(signed_in, message, person):
    message(recipient=person(), title="for another")
    assert "for another" not in signed_in.get(INBOX).content.decode()


def test_a_scheduled_message_is_not_in_the_inbox_before_its_time(signed_in, message):
    later = message(visible_from=timezone.now() + timedelta(hours=1))
    assert later.title not in signed_in.get(INBOX).content.decode()
    assert signed_in.post(reverse("notifications:open", args=[later.pk])).status_code == 404


def test_text_is_escaped_in_the_inbox(signed_in, message):
    message(text="<script>alert(1)</script>")
    page = signed_in.get(INBOX).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_inbox_shows_a_kind_that_is_no_longer_registered(signed_in, message):
    message(kind="windshield_washed")
    assert "Windshield washed" in signed_in.get(INBOX).content.decode()


def test_the_inbox_is_paginated(signed_in, message):
    for number in range(21):
        message(title=f"message {number}")
    shown = [
        signed_in.get(INBOX, {"page": page}).content.decode().count('data-testid="notification"')
        for page in (1, 2)
    ]
    assert shown == [20, 1]


def test_the_inbox_needs_the_same_queries_for_one_message_and_many(
    signed_in, message, django_assert_num_queries
):
    message()
    with django_assert_num_queries(6) as few:
        signed_in.get(INBOX)
    for _ in range(10):
        message()
    with django_assert_num_queries(len(few)):
        signed_in.get(INBOX)


def test_an_anonymous_reader_is_asked_to_sign_in(client, db):
    assert client.get(INBOX).headers["Location"] == f"/login/?next={INBOX}"


def test_opening_a_message_marks_it_as_read_and_redirects_to_its_link(signed_in, message):
    notification = message()
    answer = signed_in.post(reverse("notifications:open", args=[notification.pk]))
    assert answer.headers["Location"] == "/repairs/42/"
    notification.refresh_from_db()
    assert notification.read_at


def test_opening_a_message_again_keeps_its_first_read_time(signed_in, message):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    notification = message(read_at=at)
    signed_in.post(reverse("notifications:open", args=[notification.pk]))
    notification.refresh_from_db()
    assert notification.read_at == at


def test_another_users_message_cannot_be_opened(signed_in, message, person):
    notification = message(recipient=person())
    answer = signed_in.post(reverse("notifications:open", args=[notification.pk]))
    assert answer.status_code == 404
    notification.refresh_from_db()
    assert notification.read_at is None


@pytest.mark.parametrize("name", ["open", "read-all"])
def test_nothing_is_marked_as_read_by_get(signed_in, message, name):
    notification = message()
    args = [notification.pk] if name == "open" else []
    assert signed_in.get(reverse(f"notifications:{name}", args=args)).status_code == 405
    notification.refresh_from_db()
    assert notification.read_at is None


def test_nothing_is_marked_as_read_without_a_csrf_token(user, message):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    message()
    answer = client.post(INBOX + "read-all/")
    assert answer.status_code == 403
    assert "This page was too old" in answer.content.decode()
    assert Notification.objects.unread().count() == 1


def test_mark_all_as_read_leaves_other_users_messages(signed_in, message, person):
    message()
    message()
    others = message(recipient=person())
    signed_in.post(INBOX + "read-all/")
    assert list(Notification.objects.unread()) == [others]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/repairs/42/?a=b#c", "/repairs/42/?a=b#c"),
        ("https://rs.example/repairs/42/", "/repairs/42/"),
        ("https://rs.example//evil.example/", ""),
        ("http://rs.example/repairs/42/", ""),
        ("https://evil.example/repairs/42/", ""),
        ("//evil.example/", ""),
        ("/\\evil.example/", ""),
        ("javascript:alert(1)", ""),
        ("repairs/42/", ""),
        ("", ""),
    ],
)
def test_a_message_links_to_this_site_only(settings, url, path):
    settings.SITE_URL = "https://rs.example"
    assert local_path(url) == path


def test_a_message_without_a_link_returns_to_the_inbox(signed_in, message):
    notification = message(action_url="")
    answer = signed_in.post(reverse("notifications:open", args=[notification.pk]))
    assert answer.headers["Location"] == INBOX


def test_the_bell_shows_and_announces_the_unread_count(signed_in, message):
    message()
    answer = bell(signed_in).content.decode()
    assert '<span class="bell-count" data-testid="bell-count">1</span>' in answer
    assert "1 unread notification</div>" in answer


def test_the_bell_answers_204_while_the_count_is_unchanged(signed_in, message):
    message()
    assert bell(signed_in, shown="1").status_code == 204
    message()
    assert bell(signed_in, shown="1").status_code == 200


def test_the_bell_stops_counting_at_a_hundred(signed_in, message):
    Notification.objects.bulk_create(
        Notification(
            recipient=message().recipient,
            kind="repair_approved",
            category="approval",
            priority=Priority.URGENT,
            context={},
            title=str(number),
            text="",
        )
        for number in range(120)
    )
    assert ">99+<" in bell(signed_in).content.decode()
    assert bell(signed_in, shown="100").status_code == 204


def test_the_bell_of_an_expired_session_answers_401(client, db):
    assert bell(client).status_code == 401


def test_the_bell_needs_few_queries(signed_in, message, django_assert_num_queries):
    message()
    with django_assert_num_queries(4):  # session, user, contact, count
        bell(signed_in)


def test_a_new_notification_rings_the_bell(client, person, notify):
    reader = person()
    notify(reader)
    client.force_login(reader)
    assert 'data-testid="bell-count">1<' in client.get(INBOX).content.decode()
