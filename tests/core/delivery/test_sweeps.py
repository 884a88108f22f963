from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import broker, sweeps, transitions
from apps.core.delivery.attempt import claim
from apps.core.delivery.transitions import record
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.reasons import Reason
from apps.core.states import FINISHED, Channel, DeliveryState, LogEvent, LogSource, Priority
from tests.support.attempts import claimed

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
Story = Callable[[Delivery], list[str]]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> dict[Priority, int]:
    """How many wake-ups the broker holds."""
    depths = dict.fromkeys(Priority, 0)
    monkeypatch.setattr(broker, "waiting", lambda: depths)
    return depths


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


def expire(row: Delivery) -> None:
    Delivery.objects.filter(pk=row.pk).update(lease_until=ago(seconds=1))


def state(row: Delivery) -> str:
    return Delivery.objects.get(pk=row.pk).state


def test_a_scheduled_delivery_is_found_when_its_time_has_come(delivery: Make, waiting: Any) -> None:
    come = delivery(next_attempt_at=ago(seconds=1))
    delivery(next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert sweeps.due() == [come]


def test_a_wake_up_without_effect_counts_as_lost(delivery: Make, waiting: Any) -> None:
    lost = delivery(enqueued_at=ago(seconds=11))
    delivery(enqueued_at=ago(seconds=5))
    assert sweeps.due() == [lost]
    assert sweeps.due() == [], "it was enqueued just now"


def test_the_most_urgent_comes_first_then_the_oldest(delivery: Make, waiting: Any) -> None:
    low = delivery(priority=Priority.LOW, next_attempt_at=ago(hours=2))
    young = delivery(priority=Priority.URGENT, next_attempt_at=ago(seconds=1))
    old = delivery(priority=Priority.URGENT, next_attempt_at=ago(minutes=1))
    assert sweeps.due() == [old, young, low]


def test_a_backlog_stays_in_the_database(
    delivery: Make, waiting: dict[Priority, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "WINDOW", 3)
    for _ in range(5):
        delivery(priority=Priority.LOW)
    urgent = delivery(priority=Priority.URGENT)
    waiting[Priority.LOW] = 1
    found = sweeps.due()
    assert found[0] == urgent
    assert len(found) == 3
    waiting[Priority.LOW] = 30
    assert sweeps.due() == []


def test_a_worker_lost_before_its_call_leaves_the_delivery_due(
    delivery: Make, story: Story, waiting: Any
) -> None:
    row = delivery()
    claim(row.pk)
    expire(row)
    sweeps.due()
    assert state(row) == DeliveryState.DUE
    assert story(row) == [LogEvent.LOST_BEFORE_CALL]


def test_a_worker_lost_after_its_call_began_leaves_the_delivery_unknown(
    delivery: Make, story: Story, waiting: Any
) -> None:
    row = delivery()
    held = claimed(row.pk)
    assert held is not None
    record(held, LogEvent.CALLING)
    expire(row)
    assert sweeps.due() == []
    assert state(row) == DeliveryState.UNKNOWN
    assert story(row) == [LogEvent.CALLING, LogEvent.LOST_AFTER_CALL]


def test_the_call_of_an_earlier_attempt_does_not_count(delivery: Make, waiting: Any) -> None:
    row = delivery()
    record(row, LogEvent.CALLING)
    claim(row.pk)
    expire(row)
    sweeps.due()
    assert state(row) == DeliveryState.DUE


def test_a_lease_that_still_runs_is_respected(delivery: Make, waiting: Any) -> None:
    row = delivery()
    claim(row.pk)
    assert sweeps.due() == []
    assert state(row) == DeliveryState.SENDING


def test_a_delivery_that_keeps_losing_workers_ends_at_its_horizon(
    delivery: Make, waiting: Any
) -> None:
    row = delivery(priority=Priority.URGENT, due_at=ago(hours=5), failures=3)
    claim(row.pk)
    expire(row)
    sweeps.due()
    assert state(row) == DeliveryState.EXHAUSTED


def test_a_late_first_try_outlives_a_lost_worker(
    delivery: Make, story: Story, waiting: Any
) -> None:
    row = delivery(due_at=ago(hours=5))
    for _ in range(transitions.MIN_TRIES):
        Delivery.objects.update(next_attempt_at=ago(seconds=1))
        assert claim(row.pk)
        expire(row)
        sweeps.due()
        assert state(row) == DeliveryState.DUE
    assert story(row) == [LogEvent.LOST_BEFORE_CALL] * transitions.MIN_TRIES


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
    waiting: Any,
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
    delivery: Make, story: Story, waiting: Any
) -> None:
    row = delivery(
        Channel.SMS, Priority.HIGH, state=DeliveryState.UNKNOWN, next_attempt_at=ago(seconds=1)
    )
    found = [Delivery.objects.get(pk=row.pk) for _ in range(2)]
    assert [bool(transitions.settle_unknown(each)) for each in found] == [True, False]
    assert story(row) == [LogEvent.LEFT, LogEvent.FALLBACK]


def test_what_is_unknown_waits_for_its_deadline(delivery: Make, waiting: Any) -> None:
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
    assert claim(ready.pk) is not None


def test_clean_up_takes_the_old_logs_of_finished_deliveries_only(
    delivery: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "CHUNK", 2)
    settings.DELIVERY_LOG_RETENTION_DAYS = 30
    old = {s: delivery(state=s, finished_at=ago(days=31)) for s in sorted(FINISHED)}
    held = {"held_for": Reason.DIGEST, "release_at": ago(days=400)}
    open_rows = [
        delivery(state=s, created_at=ago(days=400), **held) for s in set(DeliveryState) - FINISHED
    ]
    young = delivery(state=DeliveryState.ACCEPTED, finished_at=ago(days=29))
    for row in [*old.values(), *open_rows, young]:
        record(row, LogEvent.CALLING)
    assert sweeps.cleanup_logs() == len(FINISHED)
    left = set(NotificationDeliveryLog.objects.values_list("delivery_id", flat=True))
    assert left == {row.pk for row in [*open_rows, young]}
    assert Delivery.objects.count() == len(old) + len(open_rows) + 1


def test_events_outlive_a_short_retention_for_the_rule_of_soft_bounces(
    db: None, settings: Any
) -> None:
    settings.DELIVERY_LOG_RETENTION_DAYS = 7
    for days in (8, 31):
        event = ProviderEvent.objects.create(
            fingerprint=str(days), kind="bounced", provider="ses", occurred_at=ago(days=days)
        )
        ProviderEvent.objects.filter(pk=event.pk).update(received_at=ago(days=days))
    sweeps.cleanup_logs()
    assert ProviderEvent.objects.get().fingerprint == "8"


def test_the_sweep_wakes_a_worker_for_each_row_it_finds(
    delivery: Make, waiting: Any, woken: list[Any]
) -> None:
    delivery(Channel.EMAIL)
    delivery(Channel.SMS)
    tasks.dispatch_due_notifications()
    assert sorted(name for name, _ in woken) == [
        "apps.core.tasks.send_notification_email",
        "apps.core.tasks.send_notification_sms",
    ]


@pytest.mark.parametrize(
    ("due_at", "resends"), [(ago(hours=25), 0), (ago(hours=1), 3)], ids=["too late", "too often"]
)
def test_the_policy_does_not_send_again_for_ever(
    delivery: Make, story: Story, waiting: Any, due_at: Any, resends: int
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


def test_an_email_stands_in_for_a_text_that_is_left_for_a_person(
    delivery: Make, waiting: Any
) -> None:
    row = delivery(
        Channel.SMS, Priority.HIGH, state=DeliveryState.UNKNOWN, next_attempt_at=ago(seconds=1)
    )
    (stand_in,) = sweeps.due()
    assert (stand_in.channel, stand_in.notification_id) == (Channel.EMAIL, row.notification_id)


def test_a_row_that_fails_does_not_stop_the_sweep_of_the_others(
    delivery: Make, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = delivery()
    claim(poison.pk)
    expire(poison)
    healthy = delivery()

    def broken(*_: Any, **__: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr("apps.core.delivery.transitions.record_lost_worker", broken)
    assert sweeps.due() == [healthy]
