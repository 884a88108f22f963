import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Notification
from apps.core.states import Priority
from apps.people.views import path_here
from apps.site import brand

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
    """Makes one in-app message."""

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


def test_the_inbox_shows_the_unread_first_then_the_newest(signed_in, message):
    now = timezone.now()
    message(title="seen today", read_at=now, visible_from=now)
    message(title="unseen, two days old", visible_from=now - timedelta(days=2))
    message(title="unseen, one day old", visible_from=now - timedelta(days=1))
    page = signed_in.get(INBOX).content.decode()
    titles = ["unseen, one day old", "unseen, two days old", "seen today"]
    assert sorted(titles, key=page.index) == titles


def test_the_inbox_of_somebody_without_messages_says_so(signed_in):
    assert "All quiet" in signed_in.get(INBOX).content.decode()


def test_a_message_of_somebody_else_is_not_in_the_inbox(signed_in, message, person):
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


def test_the_inbox_survives_a_kind_that_is_no_longer_registered(signed_in, message):
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


def test_the_inbox_costs_the_same_with_one_message_and_with_many(
    signed_in, message, django_assert_num_queries
):
    message()
    with django_assert_num_queries(6) as few:
        signed_in.get(INBOX)
    for _ in range(10):
        message()
    with django_assert_num_queries(len(few)):
        signed_in.get(INBOX)


def test_a_stranger_is_asked_to_sign_in(client, db):
    assert client.get(INBOX).headers["Location"] == f"/login/?next={INBOX}"


def test_opening_a_message_marks_it_as_read_and_goes_where_it_points(signed_in, message):
    notification = message()
    answer = signed_in.post(reverse("notifications:open", args=[notification.pk]))
    assert answer.headers["Location"] == "/repairs/42/"
    notification.refresh_from_db()
    assert notification.read_at


def test_opening_a_message_again_keeps_the_time_at_which_it_was_read(signed_in, message):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    notification = message(read_at=at)
    signed_in.post(reverse("notifications:open", args=[notification.pk]))
    notification.refresh_from_db()
    assert notification.read_at == at


def test_a_message_of_somebody_else_cannot_be_opened(signed_in, message, person):
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
    assert "grown too old" in answer.content.decode()
    assert Notification.objects.unread().count() == 1


def test_all_can_be_marked_as_read_but_only_ones_own(signed_in, message, person):
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
def test_a_message_leads_to_this_site_only(settings, url, path):
    settings.SITE_URL = "https://rs.example"
    assert path_here(url) == path


def test_a_message_that_points_nowhere_leads_back_to_the_inbox(signed_in, message):
    notification = message(action_url="")
    answer = signed_in.post(reverse("notifications:open", args=[notification.pk]))
    assert answer.headers["Location"] == INBOX


def test_the_bell_counts_what_is_unread_and_tells_screen_readers(signed_in, message):
    message()
    answer = bell(signed_in).content.decode()
    assert '<span class="bell-count" data-testid="bell-count">1</span>' in answer
    assert "1 unread notification</div>" in answer


def test_the_bell_says_nothing_while_the_count_stays_the_same(signed_in, message):
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


def test_the_bell_of_a_session_that_has_ended_swaps_nothing_in(client, db):
    assert bell(client).status_code == 401


def test_the_bell_costs_few_queries(signed_in, message, django_assert_num_queries):
    message()
    with django_assert_num_queries(4):  # session, user, contact, count
        bell(signed_in)


def test_a_notification_of_the_engine_rings_the_bell(client, person, notify):
    reader = person()
    notify(reader)
    client.force_login(reader)
    assert 'data-testid="bell-count">1<' in client.get(INBOX).content.decode()


def test_signing_out_is_a_post(signed_in):
    assert signed_in.get("/logout/").status_code == 405
    assert signed_in.post("/logout/").headers["Location"] == "/login/"


def test_a_wrong_password_is_told_in_words(client, db):
    answer = client.post("/login/", {"username": "nobody", "password": "wrong"})
    assert 'role="alert"' in answer.content.decode()


def test_htmx_is_sent_to_the_sign_in_page_rather_than_given_it_as_a_fragment(client, db):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/batches/1/"}
    answer = client.get("/login/?next=/batches/1/approve/", headers=headers)
    assert answer.headers["HX-Redirect"] == "/login/?next=/batches/1/"


def test_a_page_that_is_not_there_is_a_designed_404(signed_in):
    answer = signed_in.get("/nowhere/")
    assert answer.status_code == 404
    assert "Nothing here for you" in answer.content.decode()


def test_a_page_that_breaks_is_a_designed_500_that_needs_nothing_else(client, monkeypatch):
    monkeypatch.setattr("django.db.connection.cursor", lambda: 1 / 0)
    client.raise_request_exception = False
    answer = client.get("/healthz")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()


def test_healthz_asks_the_database(client, django_assert_num_queries, db):
    with django_assert_num_queries(1):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_the_brand_stands_on_every_page(client, db, settings):
    settings.BRAND_NAME = "Glass & Sons"
    assert "Glass &amp; Sons" in client.get("/login/").content.decode()


def test_the_sign_in_page_costs_a_stranger_no_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/login/")


@pytest.mark.parametrize("colour", ["#0b5cad", "#fc0", "#ffffff", "#000000", "#e91e63"])
def test_any_accent_is_made_readable_on_both_grounds(colour):
    accent = brand.parse(colour)
    for ground, toward in (
        (brand.LIGHT_GROUND, brand.BLACK),
        (brand.DARK_GROUND, brand.WHITE),
    ):
        shown = brand.readable_on(ground, accent, toward=toward)
        assert brand.contrast(shown, ground) >= brand.READABLE


def test_an_accent_that_is_readable_already_stays_as_it_is(client, settings):
    settings.BRAND_ACCENT = "#0b5cad"
    css = client.get("/brand.css").content.decode()
    assert ":root{--accent:#0b5cad;--on-accent:#ffffff}" in css


def test_an_accent_that_is_no_colour_is_refused_by_its_name():
    with pytest.raises(ImproperlyConfigured, match="BRAND_ACCENT is 'navy'"):
        brand.parse("navy")


def when(moment: datetime | None) -> str:
    return Template("{% load ui %}{% when moment %}").render(Context({"moment": moment}))


def test_a_moment_is_shown_as_a_distance_and_in_the_readers_zone(monkeypatch):
    # Not at the turn of a year, which would be named.
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    moment = now - timedelta(minutes=12)
    with timezone.override("America/Los_Angeles"):
        shown = when(moment)
    local = moment.astimezone(zoneinfo.ZoneInfo("America/Los_Angeles"))
    assert "12\xa0minutes ago" in shown
    assert f'datetime="{local.isoformat(timespec="seconds")}"' in shown
    assert f"{local:%b} {local.day}, {local:%I:%M %p}".replace(" 0", " ") in shown


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(hours=3), "3\xa0hours ago"),
        (timedelta(hours=-3, minutes=-1), "in 3\xa0hours"),
        (timedelta(days=1, hours=5), "1\xa0day ago"),
    ],
)
def test_distances_are_told_in_words(ago, words):
    assert words in when(timezone.now() - ago)


def test_another_year_is_named_and_no_moment_is_nothing():
    assert "2019" in when(datetime(2019, 5, 6, 12, tzinfo=UTC))
    assert when(None) == ""


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
def test_pages_are_in_the_time_zone_of_the_reader(client, person, message, zone):
    reader = person(time_zone=zone)
    at = datetime(2019, 5, 6, 12, tzinfo=UTC)
    message(recipient=reader, visible_from=at)
    client.force_login(reader)
    local = at.astimezone(zoneinfo.ZoneInfo(zone))
    assert local.isoformat(timespec="seconds") in client.get(INBOX).content.decode()


@pytest.mark.parametrize("contact", [{"contact": False}, {"time_zone": "Mars/Olympus"}])
def test_a_reader_whose_zone_is_not_known_gets_the_sites_own(client, person, contact):
    client.force_login(person(**contact))
    assert client.get(INBOX).status_code == 200
