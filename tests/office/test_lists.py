"""The lists of messages cost the same however many rows there are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.models import Contact, Delivery, Notification, ProviderEvent
from apps.office import lists, search
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
LISTS = ["notification", "delivery", "providerevent"]
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def office(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("sam"))
    return client


@pytest.fixture
def made(delivery: Make) -> Callable[..., Delivery]:
    """Makes a delivery, its notification and an event of it at a time."""

    def make(at: datetime = AT, **values: Any) -> Delivery:
        row = delivery(created_at=at, **values)
        Notification.objects.filter(pk=row.notification_id).update(created_at=at)
        event = ProviderEvent.objects.create(
            fingerprint=str(row.pk),
            kind="delivered",
            provider="ses",
            provider_message_id=f"ses-{row.pk}",
            occurred_at=at,
            delivery=row,
        )
        ProviderEvent.objects.filter(pk=event.pk).update(received_at=at)
        return row

    return make


def shown(office: Client, model: str, **query: Any) -> list[Any]:
    answer = office.get(f"/admin/core/{model}/", query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


# --- Pages --------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", LISTS)
def test_older_leads_through_all_rows_although_few_are_counted(
    office: Client, made: Make, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    monkeypatch.setattr(lists.LongList, "list_per_page", 1)
    # Three of one moment, which only their keys tell apart.
    for number in range(7):
        made(AT - timedelta(days=max(0, number - 2)))
    seen: list[Any] = []
    position: dict[str, str] = {}
    for _ in range(4):
        older = ""
        for page in "12":
            answer = office.get(f"/admin/core/{model}/", {**position, "p": page})
            change_list = answer.context["cl"]
            seen += change_list.result_list
            older = change_list.older
            assert ("Older than these" in answer.content.decode()) is bool(older)
            if change_list.paginator.num_pages == 1:
                break
        position = {name: each[0] for name, each in parse_qs(older.removeprefix("?")).items()}
    assert (len(seen), len({row.pk for row in seen}), position) == (7, 7, {})


@pytest.mark.parametrize("model", LISTS)
def test_no_list_counts_sorts_or_reads_a_whole_table(
    office: Client, made: Make, model: str
) -> None:
    made()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        shown(office, model, o="1.2")
    asked = [sql for sql in statements(captured) if f'FROM "core_{model}"' in sql]
    assert asked
    for sql in asked:
        assert "LIMIT" in sql or "COUNT(*)" not in sql
        assert "DISTINCT" not in sql
        assert "MIN(" not in sql


def test_an_action_for_all_takes_only_what_the_list_has_counted(
    office: Client, made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    rows = [made(AT - timedelta(days=n), state="unknown") for n in range(3)]
    office.post(
        "/admin/core/delivery/",
        {"action": "mark_as_arrived", "_selected_action": [rows[0].pk], "select_across": "1"},
    )
    states = [Delivery.objects.get(pk=row.pk).state for row in rows]
    assert states == ["accepted", "accepted", "unknown"]


# --- Filters ------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", LISTS)
def test_months_and_days_lead_to_old_rows(office: Client, made: Make, model: str) -> None:
    # In America/New_York: the last minute of March 9, and noon two days and a month later.
    for at in (
        datetime(2026, 3, 10, 3, 59, tzinfo=UTC),
        AT + timedelta(days=1),
        AT.replace(month=4),
    ):
        made(at)
    counts = {
        month: len(shown(office, model, month=month))
        for month in ("", "2026-03", "2026-03-09", "2026-03-10", "2026-03-11", "2026-04", "2026-05")
    }
    assert counts == {
        "": 3,
        "2026-03": 2,
        "2026-03-09": 1,
        "2026-03-10": 0,
        "2026-03-11": 1,
        "2026-04": 1,
        "2026-05": 0,
    }
    page = office.get(f"/admin/core/{model}/", {"month": "2026-03"}).content.decode()
    for choice in ("March 2026", "April 2026", "March 31"):
        assert choice in page
    assert "February 2026" not in page


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        {"month": "2026-13"},
        {"month": "9999-12"},
        {"month": "x"},
        {"after": "x"},
        {"after": "2026-03-10~1"},
        {"after": "2026-03-10T12:00:00+00:00~x"},
        {"after": "2026-99-10T12:00:00+00:00~1"},
    ],
)
def test_a_filter_that_makes_no_sense_is_left_out(
    office: Client, made: Make, model: str, query: dict[str, str]
) -> None:
    made()
    assert len(shown(office, model, **query)) == 1


def test_notifications_are_filtered_by_the_registered_kinds(office: Client, made: Make) -> None:
    row = made()
    made()
    Notification.objects.filter(pk=row.notification_id).update(kind="repair_denied")
    assert [each.pk for each in shown(office, "notification", kind="repair_denied")] == [
        row.notification_id
    ]


# --- Search -------------------------------------------------------------------------------------
def test_a_message_is_found_by_each_of_its_ids(office: Client, made: Make) -> None:
    row = made(provider_message_id="0100-abc")
    made()
    event = row.provider_events.get()
    for words, model, found in (
        (row.pk, "delivery", row),
        (row.notification_id, "delivery", row),
        ("0100-abc", "delivery", row),
        (row.notification_id, "notification", row.notification),
        (event.provider_message_id, "providerevent", event),
    ):
        assert shown(office, model, q=f" {words} ") == [found], (words, model)


def test_events_are_found_by_the_person_and_by_an_address_of_nobody(
    office: Client, made: Make, person: Callable[..., User]
) -> None:
    jane = person(email="jane@fleet.example")
    row = made(recipient=jane)
    made()
    stray = ProviderEvent.objects.create(
        fingerprint="1", kind="bounced", provider="ses", occurred_at=AT, recipient="old@x.example"
    )
    assert shown(office, "providerevent", q="jane@fleet.example") == [row.provider_events.get()]
    assert shown(office, "providerevent", q="Old@X.example") == [stray]


@pytest.mark.parametrize("model", LISTS)
def test_a_search_shows_the_newest_messages_of_the_first_people_it_finds(
    office: Client,
    made: Make,
    person: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
) -> None:
    monkeypatch.setattr(search, "MOST_PEOPLE", 2)
    monkeypatch.setattr(search, "MOST_MESSAGES", 4)
    people = [person(), person(), person()]
    for user in people:
        for days in range(3):
            made(AT - timedelta(days=days), recipient=user)
    Notification.objects.update(visible_from=F("created_at"))
    assert len(shown(office, model, q="person")) == 4
    Contact.objects.filter(user=people[2]).update(email="unique@x.example")
    assert len(shown(office, model, q="unique@x")) == 3
    assert shown(office, model, q="nobody at all") == []


@pytest.mark.parametrize("model", LISTS)
def test_a_search_reads_messages_by_people_only(
    office: Client, made: Make, person: Callable[..., User], model: str
) -> None:
    made(timezone.now(), recipient=person(email="jane@fleet.example"))
    with CaptureQueriesContext(connection) as captured:
        assert len(shown(office, model, q="jane@fleet.example")) == 1
    asked = [sql for sql in statements(captured) if "LIKE" in sql]
    assert len(asked) == 1
    assert "core_notification" not in asked[0]
