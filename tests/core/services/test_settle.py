import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.utils import timezone

from apps.core.audit.ledger import ledger
from apps.core.models import Delivery, Notification
from apps.core.providers import memory
from apps.core.reasons import Reason
from apps.core.services import preferences
from apps.core.services.notification import NotificationService
from apps.core.states import DeliveryState, LogEvent, Priority
from tests.support.attempts import attempt, claimed

pytestmark = pytest.mark.sqlite

Notify = Callable[..., list[Notification]]
Person = Callable[..., User]
BECAUSE = "approved by Luis, 9:02"


@pytest.fixture(autouse=True)
def _no_wake_ups(woken: list[Any]) -> None:
    """Wake no worker: the tests call the attempts themselves."""


def settle(about: Any, **options: Any) -> int:
    return NotificationService().settle(about, because=BECAUSE, **options)


def test_what_has_not_left_will_not_leave_for_anybody(
    notify: Notify, person: Person, story: Any
) -> None:
    matter, jane, luis = person(), person(), person()
    preferences.pause(luis, timezone.now() + timedelta(hours=1))
    rows = notify([jane, luis], priority=Priority.HIGH, about=matter)
    retried = rows[0].deliveries.get()
    Delivery.objects.filter(pk=retried.pk).update(state=DeliveryState.RETRYING)
    assert settle(matter) == 2
    for row in rows:
        told = Notification.objects.get(pk=row.pk)
        assert told.settled_at
        assert told.settled_because == BECAUSE
        delivery = told.deliveries.get()
        assert (delivery.state, delivery.decision) == (DeliveryState.SKIPPED, Reason.SETTLED)
        assert delivery.reason == BECAUSE
        assert story(delivery)[-1] == LogEvent.SKIPPED
        attempt(delivery.pk)
    assert memory.texts == []
    assert ledger().balances


def test_other_matters_and_other_kinds_are_left_alone(notify: Notify, person: Person) -> None:
    matter, other, jane = person(), person(), person()
    notify(jane, priority=Priority.MEDIUM, about=matter)
    (elsewhere,) = notify(jane, priority=Priority.MEDIUM, about=other)
    (started,) = notify(jane, "repair_in_progress", priority=Priority.MEDIUM, about=matter)
    assert settle(matter, kinds=["repair_approved"]) == 1
    assert {row.deliveries.get().state for row in (elsewhere, started)} == {DeliveryState.DUE}
    unread = Notification.objects.visible_to(jane).unread()
    assert set(unread) == {elsewhere, started}


def test_a_claimed_delivery_is_not_touched_and_its_worker_asks_again(
    notify: Notify, person: Person
) -> None:
    matter, jane = person(), person()
    (row,) = notify(jane, priority=Priority.MEDIUM, about=matter)
    delivery = row.deliveries.get()
    claimed(delivery.pk)
    assert settle(matter) == 0
    assert row.deliveries.get().state == DeliveryState.SENDING


def test_what_has_left_stays_as_it_is(notify: Notify, person: Person) -> None:
    matter, jane = person(), person()
    (row,) = notify(jane, priority=Priority.MEDIUM, about=matter)
    attempt(row.deliveries.get().pk)
    assert settle(matter) == 0
    assert row.deliveries.get().state == DeliveryState.ACCEPTED


def test_the_caller_s_rollback_takes_the_settling_back(notify: Notify, person: Person) -> None:
    matter, jane = person(), person()
    (row,) = notify(jane, priority=Priority.MEDIUM, about=matter)
    with transaction.atomic():
        settle(matter)
        transaction.set_rollback(True)
    assert row.deliveries.get().state == DeliveryState.DUE
    assert Notification.objects.get(pk=row.pk).settled_at is None


def test_a_reminder_that_was_settled_before_its_time_never_appears(
    notify: Notify, person: Person
) -> None:
    matter, jane = person(), person()
    (row,) = notify(
        jane,
        priority=Priority.MEDIUM,
        about=matter,
        scheduled_for=timezone.now() + timedelta(hours=24),
    )
    assert settle(matter) == 1
    moved = timezone.now() + timedelta(hours=-1)
    Notification.objects.filter(pk=row.pk).update(
        visible_from=moved, settled_at=moved - timedelta(hours=1)
    )
    assert not Notification.objects.visible_to(jane).exists()


def test_the_first_reason_stays(notify: Notify, person: Person) -> None:
    matter = person()
    (row,) = notify(person(), priority=Priority.MEDIUM, about=matter)
    settle(matter)
    NotificationService().settle(matter, because="denied by Ann")
    assert Notification.objects.get(pk=row.pk).settled_because == BECAUSE


@pytest.mark.django_db(transaction=True)
def test_of_settling_and_sending_at_once_one_wins_and_the_log_says_which(
    notify: Notify, person: Person, story: Any
) -> None:
    for _ in range(5):
        matter, jane = person(), person()
        (row,) = notify(jane, priority=Priority.MEDIUM, about=matter)
        delivery = row.deliveries.get()
        before, skipped = len(memory.emails), []
        barrier = threading.Barrier(2)

        def sends(pk: Any = delivery.pk, barrier: Any = barrier) -> None:
            barrier.wait()
            try:
                attempt(pk)
            finally:
                connections.close_all()

        sender = threading.Thread(target=sends)
        sender.start()
        barrier.wait()
        skipped.append(settle(matter))
        sender.join()
        delivery.refresh_from_db()
        sent = len(memory.emails) - before
        assert sent == (delivery.state == DeliveryState.ACCEPTED)
        assert sent + story(delivery).count(LogEvent.SKIPPED) == 1
        assert not (sent and skipped[0])


def test_an_unread_count_leaves_out_what_is_settled(notify: Notify, person: Person) -> None:
    matter, jane = person(), person()
    notify(jane, priority=Priority.LOW, about=matter)
    assert Notification.objects.visible_to(jane).unread().count() == 1
    settle(matter)
    assert Notification.objects.visible_to(jane).unread().count() == 0
    assert Notification.objects.visible_to(jane).count() == 1
