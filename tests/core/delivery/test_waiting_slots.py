"""How many workers may wait for a channel's limiter, and which ones are woken next."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.db import DatabaseError
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import broker, sweeps, waiting_slots, wakeups
from apps.core.delivery.attempt import attempt
from apps.core.delivery.waiting_slots import Pool
from apps.core.exceptions import AmbiguousError
from apps.core.guards import rate_limit
from apps.core.models import Delivery
from apps.core.providers import memory, ses_smtp, timed_smtp
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.services import Worker, wait_until

Make = Callable[..., Delivery]
#: What a worker sends goes to its own output.
CONSOLE = {
    "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
    "SMS_BACKEND": "apps.core.providers.console.SMSConsole",
}
TEXTS, EMAILS = Pool(Channel.SMS, goes_first=True), Pool(Channel.EMAIL, goes_first=False)


@pytest.fixture(autouse=True)
def empty(redis_url: str, settings: Any) -> Iterator[redis.Redis]:
    """An empty Redis, and limits that give one waiting slot for texts and two for e-mails."""
    settings.EMAIL_RATE_LIMIT, settings.SMS_RATE_LIMIT = 14, 10
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.flushall()


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    found: list[Delivery] = []
    monkeypatch.setattr(wakeups, "_send_wake_ups", found.extend)
    return found


@pytest.fixture
def waiting() -> Callable[[Priority], int]:
    """The wake-ups of one priority that are in Redis."""
    return lambda priority: broker.waiting()[priority]


def acquire(pool: Pool) -> waiting_slots.WaitingSlot | None:
    """Ask for a slot, for a delivery that no slot is reserved for."""
    return waiting_slots.acquire(pool, uuid4())


def acquired(pool: Pool) -> waiting_slots.WaitingSlot:
    slot = acquire(pool)
    assert slot
    return slot


@pytest.mark.parametrize(("rate", "size"), [(0.2, 1), (1, 1), (10, 1), (14, 2), (100, 10)])
def test_a_pool_has_a_slot_for_each_ten_messages_a_second(
    settings: Any, rate: float, size: int
) -> None:
    settings.SMS_RATE_LIMIT = rate
    assert TEXTS.size == size
    slots = [acquire(TEXTS) for _ in range(size + 2)]
    assert [slot is not None for slot in slots] == [True] * size + [False] * 2


def test_each_channel_has_a_pool_for_high_priorities_and_one_for_the_rest() -> None:
    found = {
        waiting_slots.pool_of(channel, priority) for channel in Channel for priority in Priority
    }
    assert len(found) == 4
    for pool in found:
        assert acquire(pool)
    assert waiting_slots.pool_of(Channel.SMS, Priority.HIGH) == waiting_slots.pool_of(
        Channel.SMS, Priority.URGENT
    )
    assert waiting_slots.pool_of(Channel.SMS, Priority.HIGH).priorities == [
        Priority.URGENT,
        Priority.HIGH,
    ]


def test_with_a_backlog_a_release_wakes_one_worker_for_each_free_slot() -> None:
    first, second = acquired(EMAILS), acquired(EMAILS)
    assert first.release() == 0, "there is no backlog yet"
    third = acquired(EMAILS)
    assert acquire(EMAILS) is None
    assert second.release() == 1
    assert second.release() == 0, "no delivery is woken twice"
    assert third.release() == 2
    assert not EMAILS.look().is_moving, "no worker waits"


def test_a_backlog_moves_while_a_worker_holds_a_slot(empty: redis.Redis) -> None:
    slot = acquired(TEXTS)
    assert not TEXTS.look().is_moving
    assert acquire(TEXTS) is None
    assert TEXTS.look().is_moving
    assert 0 < empty.pttl("rs:slots:sms:first:backlog") <= waiting_slots.BACKLOG_MS
    slot.release()
    assert not TEXTS.look().is_moving


def test_a_reserved_slot_is_for_the_woken_delivery_only(
    empty: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = uuid4()
    TEXTS.reserve([woken])
    assert TEXTS.look() == (True, True)
    assert acquire(TEXTS) is None
    slot = waiting_slots.acquire(TEXTS, woken)
    assert slot
    assert slot.release() == 1
    assert TEXTS.look() == (True, False)
    monkeypatch.setattr(waiting_slots, "RESERVED_MS", 1)
    TEXTS.reserve([woken])
    wait_until(lambda: acquire(TEXTS), "the reservation has ended")


def test_the_slot_of_a_lost_worker_becomes_free(
    empty: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_slots, "SLOT_MS", 1)
    acquired(TEXTS)
    wait_until(lambda: acquire(TEXTS), "the slot is free")


def test_a_slot_lasts_longer_than_a_living_worker_holds_it() -> None:
    held_s = ses_smtp.NOOP_S + timed_smtp.OPENING_S + rate_limit.PATIENCE_S
    assert held_s * 1000 <= waiting_slots.SLOT_MS


def test_a_failing_look_at_the_backlog_does_not_end_the_attempt(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(sweeps, "next_in", broken)
    row = delivery(Channel.EMAIL, Priority.MEDIUM)
    tasks.send_notification_email.apply(args=(str(row.pk),), throw=True)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.ACCEPTED


def test_a_failing_broker_does_not_end_the_attempt(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("no route to the broker")

    monkeypatch.setattr(wakeups, "_send_wake_ups", broken)
    monkeypatch.setattr(wakeups, "_broker_rests_until", 0.0)
    first, _ = delivery(Channel.EMAIL, Priority.MEDIUM), delivery(Channel.EMAIL, Priority.LOW)
    EMAILS.reserve([])
    tasks.send_notification_email.apply(args=(str(first.pk),), throw=True)
    assert Delivery.objects.get(pk=first.pk).state == DeliveryState.ACCEPTED


def test_concurrent_workers_get_no_more_slots_than_the_pool_has(settings: Any) -> None:
    settings.EMAIL_RATE_LIMIT = 70
    with ThreadPoolExecutor(16) as workers:
        slots = list(workers.map(lambda _: acquire(EMAILS), range(64)))
    assert len([slot for slot in slots if slot]) == 7


def test_without_redis_every_worker_gets_a_slot(redis_server: Any) -> None:
    redis_server.stop()
    slots = [acquired(TEXTS) for _ in range(3)]
    assert [slot.release() for slot in slots] == [0, 0, 0]


def test_the_next_delivery_is_due_and_the_most_urgent_of_its_pool(
    delivery: Make,
) -> None:
    future = timezone.now() + timedelta(hours=1)
    urgent = delivery(Channel.SMS, Priority.URGENT)
    high = delivery(Channel.SMS, Priority.HIGH)
    delivery(Channel.SMS, Priority.URGENT, next_attempt_at=future)
    delivery(Channel.SMS, Priority.URGENT, state=DeliveryState.SENDING)
    delivery(Channel.EMAIL, Priority.URGENT)
    assert sweeps.next_in(TEXTS, 0) == []
    assert sweeps.next_in(TEXTS, 3) == [urgent]
    Delivery.objects.filter(pk=urgent.pk).update(state=DeliveryState.SENDING)
    assert sweeps.next_in(TEXTS, 3) == [high]
    assert sweeps.next_in(EMAILS, 3) == []


def test_a_delivery_without_a_free_slot_stays_due_and_is_woken_next(
    delivery: Make, woken: list[Delivery]
) -> None:
    slot = acquired(TEXTS)
    row = delivery(Channel.SMS, Priority.HIGH)
    tasks.send_notification_sms.apply(args=(str(row.pk),), priority=Priority.HIGH)
    after = Delivery.objects.get(pk=row.pk)
    assert (after.state, after.attempts) == (DeliveryState.DUE, 0)
    assert (woken, memory.texts) == ([], [])
    wakeups.release(slot)
    assert woken == [row]


def test_a_worker_with_a_rate_slot_wakes_the_next_before_it_calls(
    delivery: Make, woken: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = delivery(Channel.EMAIL, Priority.MEDIUM), delivery(Channel.EMAIL, Priority.LOW)
    EMAILS.reserve([])
    woken_by_then: list[Delivery] = []

    def send(*_: Any) -> None:
        woken_by_then.extend(woken)
        raise AmbiguousError("no answer")

    monkeypatch.setattr("apps.core.channels.base.ChannelService.send", send)
    tasks.send_notification_email.apply(args=(str(first.pk),), throw=True)
    assert woken_by_then == [second]
    assert woken == [second], "and not again at its end"


@pytest.mark.parametrize("why", ["not sendable", "another worker has it"])
def test_a_worker_that_does_not_send_wakes_the_next_too(
    delivery: Make, woken: list[Delivery], why: str
) -> None:
    first, second = delivery(Channel.EMAIL, Priority.MEDIUM), delivery(Channel.EMAIL, Priority.LOW)
    EMAILS.reserve([])
    if why == "another worker has it":
        Delivery.objects.filter(pk=first.pk).update(state=DeliveryState.SENDING)
    else:
        first.notification.recipient.contact.delete()
    tasks.send_notification_email.apply(args=(str(first.pk),))
    assert woken == [second]


def test_for_a_backlog_one_worker_is_woken_for_each_slot(
    delivery: Make, waiting: Callable[[Priority], int]
) -> None:
    wakeups.wake([delivery(Channel.EMAIL, Priority.MEDIUM) for _ in range(2)])
    assert (waiting(Priority.MEDIUM), EMAILS.look().has_backlog) == (2, False)
    wakeups.wake([delivery(Channel.EMAIL, Priority.MEDIUM) for _ in range(5)])
    assert (waiting(Priority.MEDIUM), EMAILS.look().has_backlog) == (4, True)


def test_no_worker_is_woken_for_a_backlog_that_moves(
    delivery: Make, waiting: Callable[[Priority], int]
) -> None:
    acquired(TEXTS)
    wakeups.wake([delivery(Channel.SMS, Priority.HIGH)])
    assert waiting(Priority.HIGH) == 1, "there was no backlog, so the waiting worker looks for none"
    assert acquire(TEXTS) is None
    wakeups.wake([delivery(Channel.SMS, Priority.HIGH), delivery(Channel.EMAIL, Priority.HIGH)])
    assert waiting(Priority.HIGH) == 2, "of these the e-mail alone"


def test_the_end_of_a_backlog_wakes_no_worker(delivery: Make, woken: list[Delivery]) -> None:
    EMAILS.reserve([])
    row = delivery(Channel.EMAIL, Priority.MEDIUM)
    tasks.send_notification_email.apply(args=(str(row.pk),))
    assert len(memory.emails) == 1
    assert woken == []


def test_the_sweep_leaves_a_moving_backlog_to_its_workers(
    delivery: Make, empty: redis.Redis
) -> None:
    a_while_ago = timezone.now() - sweeps.PATIENCE * 2
    row = delivery(Channel.SMS, Priority.HIGH, enqueued_at=a_while_ago)
    other = delivery(Channel.EMAIL, Priority.HIGH, enqueued_at=a_while_ago)
    acquired(TEXTS)
    assert acquire(TEXTS) is None
    assert sweeps.due() == [other]
    empty.delete("rs:slots:sms:first:used")
    assert sweeps.due() == [row], "no worker is left"
    empty.flushall()
    assert sweeps.due() == [], "both were just woken"


@pytest.mark.services
def test_a_backlog_of_texts_holds_up_no_email(
    worker: Callable[..., Worker], delivery: Make
) -> None:
    """Two processes, and texts for a whole hour that go before the e-mails."""
    texts = [delivery(Channel.SMS, Priority.HIGH) for _ in range(36)]
    emails = [delivery(Channel.EMAIL, Priority.MEDIUM) for _ in range(5)]
    wakeups.wake(texts)
    wakeups.wake(emails)
    worker(2, SMS_RATE_LIMIT="0.01", **CONSOLE)
    taken = Delivery.objects.filter(channel=Channel.EMAIL, state=DeliveryState.ACCEPTED)
    wait_until(lambda: taken.count() == len(emails), "the e-mails have gone out")
    assert Delivery.objects.filter(channel=Channel.SMS, state=DeliveryState.ACCEPTED).count() <= 1


@pytest.mark.services
def test_every_delivery_of_a_backlog_is_sent_without_a_sweep(
    worker: Callable[..., Worker], delivery: Make
) -> None:
    """No beat runs here: each worker that releases its slot wakes the next."""
    rows = [delivery(Channel.SMS, Priority.HIGH) for _ in range(60)]
    wakeups.wake(rows)
    worker(4, SMS_RATE_LIMIT="10", **CONSOLE)
    taken = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    wait_until(lambda: taken.count() == len(rows), "all have gone out")
    assert not Delivery.objects.filter(attempts__gt=1).exists()


@pytest.mark.parametrize("woken_with", [5, None])
def test_a_wake_up_of_an_unknown_priority_is_handled(
    delivery: Make, woken_with: int | None
) -> None:
    row = delivery(Channel.EMAIL, Priority.MEDIUM)
    task: Any = tasks.send_notification_email
    task.push_request(delivery_info={"priority": woken_with})
    try:
        task.run(str(row.pk))
    finally:
        task.pop_request()
    assert len(memory.emails) == 1


def test_an_attempt_needs_no_waiting_slot(delivery: Make) -> None:
    attempt(delivery().pk)
    assert len(memory.emails) == 1
