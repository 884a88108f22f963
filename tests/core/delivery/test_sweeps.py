from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import outcomes, sweeps
from apps.core.delivery.transitions import record
from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource, Priority
from tests.support.attempts import claimed

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
Story = Callable[[Delivery], list[str]]


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


def expire(row: Delivery) -> None:
    Delivery.objects.filter(pk=row.pk).update(lease_until=ago(seconds=1))


def state(row: Delivery) -> str:
    return Delivery.objects.get(pk=row.pk).state


def test_a_scheduled_delivery_is_found_when_its_time_has_come(delivery: Make) -> None:
    come = delivery(next_attempt_at=ago(seconds=1))
    delivery(next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert sweeps.due() == [come]


def test_each_pool_gives_its_most_urgent_delivery_then_its_oldest(
    delivery: Make,
) -> None:
    delivery(priority=Priority.LOW, next_attempt_at=ago(hours=2))
    delivery(priority=Priority.MEDIUM, next_attempt_at=ago(minutes=1))
    medium = delivery(priority=Priority.MEDIUM, next_attempt_at=ago(hours=1))
    delivery(priority=Priority.URGENT, next_attempt_at=ago(seconds=1))
    urgent = delivery(priority=Priority.URGENT, next_attempt_at=ago(minutes=1))
    text = delivery(Channel.SMS, Priority.HIGH)
    assert sweeps.due() == [urgent, medium, text]


def test_a_worker_lost_before_its_call_leaves_the_delivery_due(
    delivery: Make, story: Story
) -> None:
    row = delivery()
    claimed(row.pk)
    expire(row)
    sweeps.due()
    assert state(row) == DeliveryState.DUE
    assert story(row) == [LogEvent.LOST_BEFORE_CALL]


def test_a_worker_lost_after_its_call_began_leaves_the_delivery_unknown(
    delivery: Make, story: Story
) -> None:
    row = delivery()
    held = claimed(row.pk)
    assert held is not None
    record(held, LogEvent.CALLING)
    expire(row)
    assert sweeps.due() == []
    assert state(row) == DeliveryState.UNKNOWN
    assert story(row) == [LogEvent.CALLING, LogEvent.LOST_AFTER_CALL]


def test_the_call_of_an_earlier_attempt_does_not_count(delivery: Make) -> None:
    row = delivery()
    record(row, LogEvent.CALLING)
    claimed(row.pk)
    expire(row)
    sweeps.due()
    assert state(row) == DeliveryState.DUE


def test_a_lease_that_still_runs_is_respected(delivery: Make) -> None:
    row = delivery()
    claimed(row.pk)
    assert sweeps.due() == []
    assert state(row) == DeliveryState.SENDING


def test_a_delivery_that_keeps_losing_workers_ends_at_its_horizon(delivery: Make) -> None:
    row = delivery(priority=Priority.URGENT, due_at=ago(hours=5), failures=3)
    claimed(row.pk)
    expire(row)
    sweeps.due()
    assert state(row) == DeliveryState.EXHAUSTED


def test_a_late_first_try_outlives_a_lost_worker(delivery: Make, story: Story) -> None:
    row = delivery(due_at=ago(hours=5))
    for _ in range(outcomes.MIN_TRIES):
        Delivery.objects.update(next_attempt_at=ago(seconds=1))
        assert claimed(row.pk)
        expire(row)
        sweeps.due()
        assert state(row) == DeliveryState.DUE
    assert story(row) == [LogEvent.LOST_BEFORE_CALL] * outcomes.MIN_TRIES


@pytest.mark.parametrize(
    ("channel", "priority", "after", "event"),
    [
        (Channel.EMAIL, Priority.MEDIUM, DeliveryState.DUE, LogEvent.RESEND),
        (Channel.SMS, Priority.URGENT, DeliveryState.DUE, LogEvent.RESEND),
        (Channel.SMS, Priority.LOW, DeliveryState.UNKNOWN, LogEvent.LEFT),
    ],
)
def test_the_policy_settles_an_overdue_unknown_delivery_once(
    delivery: Make,
    story: Story,
    channel: Channel,
    priority: Priority,
    after: DeliveryState,
    event: LogEvent,
) -> None:
    row = delivery(channel, priority, state=DeliveryState.UNKNOWN, next_attempt_at=ago(seconds=1))
    sweeps.due()
    sweeps.due()
    assert state(row) == after
    assert story(row) == [event]


def test_sweeps_at_once_leave_an_unknown_one_for_a_person_once(
    delivery: Make, story: Story
) -> None:
    row = delivery(
        Channel.SMS, Priority.HIGH, state=DeliveryState.UNKNOWN, next_attempt_at=ago(seconds=1)
    )
    found = [Delivery.objects.get(pk=row.pk) for _ in range(2)]
    assert [bool(outcomes.settle_unknown(each)) for each in found] == [True, False]
    assert story(row) == [LogEvent.LEFT, LogEvent.FALLBACK]


def test_what_is_unknown_waits_for_its_deadline(delivery: Make) -> None:
    row = delivery(
        state=DeliveryState.UNKNOWN, next_attempt_at=timezone.now() + timedelta(minutes=1)
    )
    assert sweeps.due() == []
    assert state(row) == DeliveryState.UNKNOWN


def test_a_slow_retry_is_due_again_after_its_back_off(delivery: Make) -> None:
    ready = delivery(state=DeliveryState.RETRYING, next_attempt_at=ago(seconds=1))
    delivery(state=DeliveryState.RETRYING, next_attempt_at=timezone.now() + timedelta(minutes=9))
    assert sweeps.retry() == 1
    assert state(ready) == DeliveryState.DUE
    assert claimed(ready.pk)


def test_the_sweep_wakes_one_worker_for_each_pool_that_has_work(
    delivery: Make, woken: list[Any]
) -> None:
    for _ in range(2):
        delivery(Channel.EMAIL, Priority.URGENT)
        delivery(Channel.EMAIL, Priority.MEDIUM)
        delivery(Channel.SMS, Priority.URGENT)
    tasks.dispatch_due_notifications()
    assert [(name.rpartition("_")[2], options["priority"]) for name, options in woken] == [
        ("email", Priority.URGENT),
        ("email", Priority.MEDIUM),
        ("sms", Priority.URGENT),
    ]


@pytest.mark.parametrize(
    ("due_at", "resends"), [(ago(hours=25), 0), (ago(hours=1), 3)], ids=["too late", "too often"]
)
def test_the_policy_does_not_send_again_forever(
    delivery: Make, story: Story, due_at: Any, resends: int
) -> None:
    row = delivery(
        priority=Priority.MEDIUM,
        state=DeliveryState.UNKNOWN,
        next_attempt_at=ago(seconds=1),
        due_at=due_at,
    )
    for _ in range(resends):
        record(row, LogEvent.RESEND, source=LogSource.SWEEP)
    sweeps.due()
    assert state(row) == DeliveryState.UNKNOWN
    assert story(row)[-1] == LogEvent.LEFT


def test_an_email_stands_in_for_a_text_that_is_left_for_a_person(delivery: Make) -> None:
    row = delivery(
        Channel.SMS, Priority.HIGH, state=DeliveryState.UNKNOWN, next_attempt_at=ago(seconds=1)
    )
    found = sweeps.due()
    assert {(each.channel, each.notification_id) for each in found} == {
        (Channel.EMAIL, row.notification_id)
    }


def test_a_row_that_fails_does_not_stop_the_sweep_of_the_others(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = delivery()
    claimed(poison.pk)
    expire(poison)
    healthy = delivery()

    def broken(*_: Any, **__: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr("apps.core.delivery.outcomes.record_lost_worker", broken)
    assert sweeps.due() == [healthy]
