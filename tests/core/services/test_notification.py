import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.message import kinds
from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Notify = Callable[..., list[Notification]]
Person = Callable[..., User]


def channels(row: Notification) -> dict[str, str]:
    return dict(row.deliveries.values_list("channel", "state"))


def test_an_urgent_notification_is_one_row_and_two_due_deliveries(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    (row,) = notify(jane)
    assert (row.recipient, row.kind, row.priority) == (jane, "repair_approved", Priority.URGENT)
    assert row.title
    assert row.text
    assert channels(row) == {Channel.EMAIL: DeliveryState.DUE, Channel.SMS: DeliveryState.DUE}


def test_workers_are_woken_after_the_commit_by_id_and_priority(
    notify: Notify, person: Person, woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        (row,) = notify(person())
        assert woken == []
    ids = {d.channel: str(d.pk) for d in row.deliveries.all()}
    options = {"priority": Priority.URGENT, "expires": 60.0}
    assert woken == [
        ("apps.core.tasks.send_notification_email", {"args": (ids["email"],), **options}),
        ("apps.core.tasks.send_notification_sms", {"args": (ids["sms"],), **options}),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_leaves_no_row_and_no_message(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    with transaction.atomic():
        notify(jane)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()
    assert woken == []


def test_what_is_skipped_says_why_in_the_row_and_in_the_log(notify: Notify, person: Person) -> None:
    (row,) = notify(person(sms_opt_in=False))
    skipped = row.deliveries.get(channel=Channel.SMS)
    assert skipped.state == DeliveryState.SKIPPED
    assert skipped.reason == "has not agreed to text messages"
    assert skipped.finished_at
    line = skipped.log.get()
    assert (line.event, line.detail) == (LogEvent.SKIPPED, "has not agreed to text messages")


def test_low_priority_stays_in_the_app(notify: Notify, person: Person) -> None:
    (row,) = notify(person(), priority=Priority.LOW)
    assert row.deliveries.count() == 0


def test_what_it_is_about_can_be_found_from_it(notify: Notify, person: Person) -> None:
    jane = person()
    (row,) = notify(jane, about=jane)
    row.refresh_from_db()
    assert row.about == jane


def test_an_unknown_kind_or_a_context_that_does_not_fit_writes_nothing(person: Person) -> None:
    jane = person()
    with pytest.raises(UnknownKind):
        NotificationService().notify("repair_lost", jane, {})
    with pytest.raises(InvalidContext):
        NotificationService().notify("repair_approved", jane, {})
    assert not Notification.objects.exists()


def test_no_recipient_is_no_error(notify: Notify, db: None) -> None:
    assert notify([]) == []


def test_the_same_person_twice_in_one_call_is_told_once(notify: Notify, person: Person) -> None:
    jane = person()
    assert len(notify([jane, jane])) == 1


def test_the_same_dedup_key_gives_the_notification_that_exists(
    notify: Notify, person: Person, woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    jane, tom = person(), person()
    (first,) = notify(jane, dedup_key="repair:1:approved")
    with django_capture_on_commit_callbacks(execute=True):
        again = notify([jane, tom], dedup_key="repair:1:approved")
    assert {row.recipient_id: row.pk for row in again}[jane.pk] == first.pk
    assert Notification.objects.filter(recipient=jane).count() == 1
    assert Delivery.objects.filter(notification__recipient=jane).count() == 2
    assert len(woken) == 2, "only Tom's two deliveries are new"


@pytest.mark.django_db(transaction=True)
def test_the_same_dedup_key_under_concurrent_calls_is_one_notification(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    people = [person() for _ in range(5)]
    barrier = threading.Barrier(4, timeout=60)
    results: list[set[Any]] = []

    def call() -> None:
        barrier.wait()
        results.append({row.pk for row in notify(people, dedup_key="batch:7")})
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)
    assert Notification.objects.count() == 5
    assert Delivery.objects.count() == 10
    assert len(woken) == 2, "one worker for each channel"


def test_a_scheduled_notification_waits_on_every_channel(
    notify: Notify, person: Person, woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    jane, at = person(), timezone.now() + timedelta(hours=2)
    with django_capture_on_commit_callbacks(execute=True):
        (row,) = notify(jane, scheduled_for=at)
    assert woken == []
    assert {d.next_attempt_at for d in row.deliveries.all()} == {at}
    assert not Notification.objects.visible_to(jane).exists()


def test_a_scheduled_time_without_a_zone_is_refused(notify: Notify, person: Person) -> None:
    with pytest.raises(ValueError, match="time zone"):
        notify(person(), scheduled_for=datetime(2026, 12, 1, 9, 0))


@pytest.mark.parametrize(
    ("contact", "dedup_key", "most"),
    [
        ({}, "", 3),
        ({}, "repair:1:approved", 4),
        # The log says why a delivery is skipped.
        ({"sms_opt_in": False}, "", 4),
        ({"contact": False}, "repair:1:approved", 5),
    ],
)
def test_one_recipient_costs_few_statements(
    notify: Notify,
    person: Person,
    woken: list[Any],
    contact: dict[str, Any],
    dedup_key: str,
    most: int,
) -> None:
    jane = User.objects.get(pk=person(**contact).pk)
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        notify(jane, dedup_key=dedup_key)
    assert len(statements(captured)) <= most, statements(captured)


def test_many_recipients_cost_as_many_statements_as_one(
    notify: Notify, person: Person, woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    people = list(User.objects.filter(pk__in=[person().pk for _ in range(30)]))
    with (
        django_capture_on_commit_callbacks(execute=True),
        CaptureQueriesContext(connection) as captured,
    ):
        rows = notify(people)
    assert len(rows) == 30
    assert len(statements(captured)) <= 3, statements(captured)
    assert [name for name, _ in woken] == [
        "apps.core.tasks.send_notification_email",
        "apps.core.tasks.send_notification_sms",
    ]


def test_every_skipped_delivery_of_a_fan_out_is_logged(notify: Notify, person: Person) -> None:
    notify([person(contact=False) for _ in range(30)])
    assert NotificationDeliveryLog.objects.filter(event=LogEvent.SKIPPED).count() == 60


def test_every_kind_can_be_notified(person: Person, notify: Notify) -> None:
    jane = person()
    for kind in kinds.REGISTRY.values():
        (row,) = notify(jane, kind=kind.name)
        assert row.category == kind.category.name
