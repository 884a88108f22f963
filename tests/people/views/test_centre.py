import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Notification
from apps.core.states import Priority
from apps.people.links import local_path

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


def cards(page: str) -> int:
    return page.count('data-testid="notification"')


def older(page: str) -> str:
    link = re.search(r'href="([^"]*)" data-testid="older"', page)
    return unescape(link[1]) if link else ""


def test_the_pages_show_every_message_once_also_if_one_arrives_meanwhile(signed_in, message):
    same = timezone.now()
    for number in range(45):
        # The same moment for several: their keys break the tie.
        message(title=f"message {number:02d}", visible_from=same - timedelta(minutes=number // 3))
    titles: list[str] = []
    url = INBOX
    while url:
        page = signed_in.get(url).content.decode()
        titles += re.findall(r"message \d\d(?=</button>)", page)
        message(title="one that arrived meanwhile")
        url = INBOX + older(page) if older(page) else ""
    assert len(titles) == 45
    assert len(set(titles)) == 45


@pytest.mark.parametrize("after", ["nonsense", "2026-01-02~x", "2026-01-02T00:00:00~" + "0" * 32])
def test_an_altered_page_link_shows_the_newest(signed_in, message, after):
    message()
    assert cards(signed_in.get(INBOX, {"after": after}).content.decode()) == 1


def test_the_inbox_needs_the_same_queries_for_one_message_and_many(
    signed_in, message, django_assert_num_queries
):
    message()
    with CaptureQueriesContext(connection) as few:
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


@pytest.mark.parametrize("name", ["open", "read", "act", "read-all", "unread"])
def test_nothing_is_changed_by_get(signed_in, message, name):
    notification = message()
    args = [notification.pk] if name in ("open", "read", "act") else []
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
    assert "1 notification unread or to do</div>" in answer


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
    bell(signed_in)
    with django_assert_num_queries(5):  # session, user, contact, unread, profile
        bell(signed_in)


def test_a_new_notification_rings_the_bell(client, person, notify):
    reader = person()
    notify(reader)
    client.force_login(reader)
    assert 'data-testid="bell-count">1<' in client.get(INBOX).content.decode()


def test_a_marking_can_be_undone(signed_in, message):
    message(read_at=datetime(2026, 1, 2, tzinfo=UTC))
    first, second = message(), message()
    answer = signed_in.post(INBOX + "read-all/", {"back": INBOX + "?unread=on"})
    assert not Notification.objects.unread().exists()
    assert answer.headers["Location"].startswith(INBOX + "?unread=on&read=")
    page = signed_in.get(answer.headers["Location"]).content.decode()
    assert "2 messages marked as read" in page

    at = re.search(r'name="at" value="([^"]+)"', page)
    assert at
    back = {"at": unescape(at[1]), "back": answer.headers["Location"]}
    undone = signed_in.post(INBOX + "unread/", back)
    assert undone.headers["Location"] == INBOX + "?unread=on"
    assert set(Notification.objects.unread()) == {first, second}


def test_mark_all_leaves_what_arrived_after_the_page_was_shown(signed_in, message):
    message(visible_from=timezone.now() - timedelta(minutes=2))
    newest = timezone.now() - timedelta(minutes=1)
    later = message()
    signed_in.post(INBOX + "read-all/", {"newest": newest.isoformat()})
    assert list(Notification.objects.unread()) == [later]


def test_marking_one_leaves_the_others(signed_in, message):
    one, other = message(), message()
    signed_in.post(reverse("notifications:read", args=[one.pk]))
    assert list(Notification.objects.unread()) == [other]


def test_the_way_back_leads_to_the_center_only(signed_in, message):
    answer = signed_in.post(INBOX + "read-all/", {"back": "https://evil.example/notifications/"})
    assert answer.headers["Location"] == INBOX


def test_the_unread_filter_hides_what_was_read(signed_in, message):
    message(title="was read", read_at=timezone.now())
    message(title="is new")
    page = signed_in.get(INBOX, {"unread": "on"}).content.decode()
    assert "is new" in page
    assert "was read" not in page


def test_an_open_center_is_told_of_news_once(signed_in, message):
    message()
    page = signed_in.get(INBOX).content.decode()
    since = re.search(r'name="since" value="([^"]+)"', page)
    assert since
    polled = {"shown": "1", "news": "0", "since": unescape(since[1])}
    assert signed_in.get(INBOX + "bell/", polled).status_code == 204
    message()
    answer = signed_in.get(INBOX + "bell/", polled).content.decode()
    assert "1 new. <strong>Show</strong>" in answer
    assert "<title>(1) Notifications" in answer
    told = polled | {"shown": "2", "news": "1"}
    assert signed_in.get(INBOX + "bell/", told).status_code == 204


def test_another_page_keeps_its_title_when_the_bell_rings(signed_in, message):
    message()
    assert "<title>" not in bell(signed_in).content.decode()
