"""Whole turns of workers: what is committed before a call, and what is left when a turn ends."""

import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from queue import SimpleQueue
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import redis_client, tasks
from apps.core.delivery import outcomes, senders, shutdown, sweeps, turn, wakeups
from apps.core.delivery.places import Place, Pool
from apps.core.delivery.turn import Turn
from apps.core.exceptions import AmbiguousError, ChannelUnavailableError, PermanentError
from apps.core.guards import rate_limit
from apps.core.message import brand, people, rendering
from apps.core.models import (
    BrandVersion,
    ChannelStop,
    Delivery,
    Notification,
    NotificationDeliveryLog,
    SMSSpend,
)
from apps.core.providers import memory
from apps.core.providers.base import Acceptance, EmailMessage
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tests.support.attempts import attempt, begin
from tests.support.queries import statements
from tests.support.services import Redis, Worker, wait_until

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
Story = Callable[[Delivery], list[str]]
EMAILS, TEXTS = Pool(Channel.EMAIL, is_urgent=False), Pool(Channel.SMS, is_urgent=False)
#: What a worker sends goes to its own output.
CONSOLE = {
    "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
    "SMS_BACKEND": "apps.core.providers.console.SMSConsole",
}


class Scripted:
    """A provider of e-mails that does with each delivery what a test says."""

    name = "scripted"

    def __init__(self) -> None:
        self.does: Callable[[UUID], object] = lambda _: None
        self.sent: list[UUID] = []

    def encode(self, message: EmailMessage) -> EmailMessage:
        return message

    def send(self, message: EmailMessage) -> Acceptance:
        delivery_id = UUID(message.tags["delivery"])
        self.does(delivery_id)
        self.sent.append(delivery_id)
        return Acceptance(self.name, f"id-{delivery_id}")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr("apps.core.channels.email.email_provider", lambda: scripted)
    return scripted


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a turn wait for the results of all its calls, however slow the machine is."""
    monkeypatch.setattr(senders, "LINGER_S", 60.0)


@pytest.fixture
def no_shutdown() -> Iterator[None]:
    yield
    shutdown._flag[0] = 0


def a_turn(pool: Pool, row: Delivery, size: int = 4) -> Turn:
    begun = begin(pool, row.pk, size)
    assert begun
    return begun


def states() -> dict[UUID, str]:
    return dict(Delivery.objects.values_list("pk", "state"))


def count(state: DeliveryState) -> int:
    return Delivery.objects.filter(state=state).count()


def refuse(one: Delivery, error: BaseException) -> Callable[[UUID], None]:
    def does(delivery_id: UUID) -> None:
        if delivery_id == one.pk:
            raise error

    return does


# --- Before and after the call ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_each_call_is_announced_and_committed_before_it_is_made(
    delivery: Make, provider: Scripted
) -> None:
    seen: list[list[str]] = []

    def look(delivery_id: UUID) -> None:
        """Read the log over this thread's own connection, which sees what is committed."""
        log = NotificationDeliveryLog.objects.filter(delivery_id=delivery_id)
        seen.append(list(log.values_list("event", flat=True)))
        connection.close()

    provider.does = look
    rows = [delivery() for _ in range(12)]
    attempt(rows[0].pk)
    assert seen == [[LogEvent.CALLING]] * 12
    assert set(states().values()) == {DeliveryState.ACCEPTED}


def test_every_acceptance_of_a_group_is_recorded_with_its_own_id(
    delivery: Make, provider: Scripted, story: Story
) -> None:
    rows = [delivery() for _ in range(8)]
    attempt(rows[0].pk)
    for row in rows:
        row.refresh_from_db()
        assert (row.provider, row.provider_message_id) == ("scripted", f"id-{row.pk}")
        assert story(row) == [LogEvent.CALLING, LogEvent.ACCEPTED]
    assert sorted(provider.sent) == sorted(row.pk for row in rows)


@pytest.mark.postgresql
def test_a_batch_of_32_costs_less_than_a_statement_for_each(
    delivery: Make, all_at_once: None
) -> None:
    rows = [delivery() for _ in range(32)]
    with CaptureQueriesContext(connection) as captured:
        a_turn(EMAILS, rows[0]).run()
    assert len(memory.emails) == 32
    assert len(statements(captured)) <= 16, statements(captured)


def test_a_batch_asks_once_for_the_companies_of_its_people(
    delivery: Make, person: Callable[..., User], all_at_once: None
) -> None:
    BrandVersion.objects.create(group="company:1", number=1, name="Redwood's Glass")
    asked: list[int] = []

    def groups_of(ids: Collection[Any]) -> Mapping[Any, Collection[str]]:
        asked.append(len(ids))
        return dict.fromkeys(ids, ("company:1",))

    brand.forget()
    with patch.object(people, "_resolvers", [groups_of]):
        rows = [delivery(recipient=person()) for _ in range(5)]
        a_turn(EMAILS, rows[0]).run()
    brand.forget()
    assert len(memory.emails) == 5
    assert all("Redwood's Glass" in str(mail.body) for mail in memory.emails)
    assert asked == [5]


def test_several_calls_are_under_way_at_the_same_time(delivery: Make, provider: Scripted) -> None:
    barrier = threading.Barrier(3, timeout=60)
    provider.does = lambda _: barrier.wait()
    rows = [delivery() for _ in range(3)]
    attempt(rows[0].pk)
    assert len(provider.sent) == 3


def test_a_process_makes_no_more_calls_at_a_time_than_it_has_connections(
    delivery: Make, provider: Scripted
) -> None:
    lock, at_work, most = threading.Lock(), set[UUID](), 0

    def work(delivery_id: UUID) -> None:
        nonlocal most
        with lock:
            at_work.add(delivery_id)
            most = max(most, len(at_work))
        threading.Event().wait(0.002)
        with lock:
            at_work.discard(delivery_id)

    provider.does = work
    rows = [delivery() for _ in range(20)]
    a_turn(EMAILS, rows[0], size=3).run()
    assert len(provider.sent) == 20
    assert most <= 3


# --- The end of a turn --------------------------------------------------------------------------


def its_time_is_up(this: Turn) -> None:
    this._ends_at = 0.0


def the_worker_shuts_down(_: Turn) -> None:
    shutdown.request()


def another_pool_waits(this: Turn) -> None:
    server = redis_client.shared()
    server.zadd(EMAILS.keys[1], {"row": (server.time()[0] - 1) * 1000})
    this._renew_at = 0.0


def its_place_is_lost(this: Turn) -> None:
    server = redis_client.shared()
    server.delete(TEXTS.keys[0])
    others = {f"other{n}": (server.time()[0] + 60) * 1000 for n in range(TEXTS.size)}
    server.zadd(TEXTS.keys[0], others)
    this._renew_at = 0.0


@pytest.mark.parametrize(
    "end", [its_time_is_up, the_worker_shuts_down, another_pool_waits, its_place_is_lost]
)
def test_a_turn_that_ends_gives_back_at_once_what_it_has_not_called(
    delivery: Make,
    story: Story,
    woken: list[Any],
    no_shutdown: None,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Turn], None],
) -> None:
    take, given = rate_limit.take, 0

    def one(channel: Channel, weights: Any, **options: Any) -> rate_limit.Answer:
        """Give one slot; the turn is to end when it asks for the next."""
        nonlocal given
        if given:
            end(this)
            return rate_limit.Answer([], 0.01)
        answer = take(channel, weights[:1], **options)
        given = len(answer.slots)
        return answer

    monkeypatch.setattr(rate_limit, "take", one)
    # On a busy machine the slot must still be in time.
    monkeypatch.setattr(rate_limit, "LATE_S", 60.0)
    rows = [delivery(Channel.SMS, Priority.HIGH) for _ in range(6)]
    this = a_turn(TEXTS, rows[0])
    woken.clear()
    this.run()
    assert len(memory.texts) == 1
    [sent] = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    left = Delivery.objects.filter(state=DeliveryState.DUE)
    assert left.count() == 5
    for row in left:
        assert (row.lease_until, row.failures, row.cost_usd) == (None, 0, None)
        assert row.next_attempt_at
        assert row.next_attempt_at <= timezone.now()
        assert story(row) == []
    assert sent.cost_usd is not None
    assert SMSSpend.objects.get().committed_usd == sent.cost_usd > Decimal(0)
    assert {name for name, _ in woken} <= {"apps.core.tasks.send_notification_sms"}
    if end is not its_place_is_lost:
        assert woken, "a successor goes on"
        assert redis_client.shared().zcard(TEXTS.keys[0]) == 0, "the place is free"


def test_a_turn_of_urgent_ones_gives_way_to_no_pool(delivery: Make) -> None:
    urgent = Pool(Channel.SMS, is_urgent=True)
    rows = [delivery(Channel.SMS, Priority.URGENT) for _ in range(3)]
    this = a_turn(urgent, rows[0])
    another_pool_waits(this)
    this.run()
    assert len(memory.texts) == 3


def test_a_successor_sends_what_was_given_back(delivery: Make) -> None:
    rows = [delivery() for _ in range(3)]
    first = a_turn(EMAILS, rows[0])
    first._claim()
    assert count(DeliveryState.SENDING) == 3
    its_time_is_up(first)
    first.run()
    assert count(DeliveryState.DUE) == 3
    attempt(rows[0].pk)
    assert count(DeliveryState.ACCEPTED) == 3
    assert {row.attempts for row in Delivery.objects.all()} == {2}


def test_the_calls_under_way_are_waited_for_when_a_turn_ends(
    delivery: Make, provider: Scripted, no_shutdown: None
) -> None:
    provider.does = lambda _: shutdown.request()
    rows = [delivery() for _ in range(3)]
    attempt(rows[0].pk)
    assert provider.sent
    assert count(DeliveryState.ACCEPTED) == len(provider.sent)
    assert count(DeliveryState.SENDING) == 0


def test_a_turn_that_has_sent_everything_wakes_no_worker(delivery: Make, woken: list[Any]) -> None:
    attempt(delivery().pk)
    assert woken == []


def test_a_worker_that_finds_more_than_it_can_send_wakes_the_next(
    delivery: Make, woken: list[Any], settings: Any
) -> None:
    settings.EMAIL_RATE_LIMIT = 100
    rows = [delivery() for _ in range(turn.BATCH[connection.vendor])]
    attempt(rows[0].pk)
    assert [name for name, _ in woken] == ["apps.core.tasks.send_notification_email"]


def test_a_worker_claims_no_more_than_the_pace_allows_in_a_second(
    delivery: Make, settings: Any
) -> None:
    settings.EMAIL_RATE_LIMIT = 2
    rows = [delivery() for _ in range(5)]
    a_turn(EMAILS, rows[0])._claim()
    assert count(DeliveryState.SENDING) == 2


# --- Bugs, refusals and calls that hang ---------------------------------------------------------


def test_a_bug_in_composing_one_message_does_not_stop_the_others(
    delivery: Make, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [delivery() for _ in range(4)]
    poison, compose = rows[1], rendering.email

    def broken(notification: Notification) -> rendering.EmailContent:
        if notification.pk == poison.notification_id:
            raise KeyError("bug")
        return compose(notification)

    monkeypatch.setattr(rendering, "email", broken)
    attempt(rows[0].pk)
    assert states() == {
        row.pk: DeliveryState.SENDING if row == poison else DeliveryState.ACCEPTED for row in rows
    }
    assert story(poison) == []
    Delivery.objects.filter(pk=poison.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    sweeps.due()
    assert story(poison) == [LogEvent.LOST_BEFORE_CALL]


def test_a_kind_that_the_code_no_longer_has_holds_up_no_other_delivery(delivery: Make) -> None:
    rows = [delivery() for _ in range(4)]
    poison = rows[1]
    Notification.objects.filter(pk=poison.notification_id).update(kind="gone")
    attempt(rows[0].pk)
    assert states() == {
        row.pk: DeliveryState.SENDING if row == poison else DeliveryState.ACCEPTED for row in rows
    }


def test_a_bug_in_sending_one_message_does_not_stop_the_others(
    delivery: Make, story: Story, provider: Scripted
) -> None:
    rows = [delivery() for _ in range(4)]
    provider.does = refuse(rows[1], KeyError("bug"))
    attempt(rows[0].pk)
    assert states() == {
        row.pk: DeliveryState.SENDING if row == rows[1] else DeliveryState.ACCEPTED for row in rows
    }
    Delivery.objects.filter(pk=rows[1].pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    sweeps.due()
    assert story(rows[1]) == [LogEvent.CALLING, LogEvent.LOST_AFTER_CALL]


def test_a_refusal_of_the_account_gives_the_rest_of_the_batch_back(
    delivery: Make, provider: Scripted, story: Story
) -> None:
    called: list[UUID] = []

    def refuse_all(delivery_id: UUID) -> None:
        called.append(delivery_id)
        raise ChannelUnavailableError("paused", code="454")

    provider.does = refuse_all
    rows = [delivery() for _ in range(6)]
    this = a_turn(EMAILS, rows[0], size=1)
    # With calls this slow, none is announced ahead.
    this._senders._call_s = 0.1
    this.run()
    assert ChannelStop.objects.get().code == "454"
    assert len(called) == 1
    assert set(states().values()) == {DeliveryState.DUE}
    assert set(Delivery.objects.values_list("failures", "lease_until")) == {(0, None)}
    for row in rows:
        refused = [LogEvent.CALLING, LogEvent.TRANSIENT]
        assert story(row) == (refused if row.pk in called else [])


def test_a_result_that_cannot_be_recorded_does_not_lose_the_acceptances(
    delivery: Make, provider: Scripted, all_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise IntegrityError

    rows = [delivery() for _ in range(5)]
    provider.does = refuse(rows[2], PermanentError("no such user"))
    monkeypatch.setattr(outcomes, "record_outcome", broken)
    with pytest.raises(IntegrityError):
        attempt(rows[0].pk)
    assert states() == {
        row.pk: DeliveryState.SENDING if row == rows[2] else DeliveryState.ACCEPTED for row in rows
    }


def test_a_call_that_hangs_is_unknown_and_another_thread_makes_the_next(
    delivery: Make, provider: Scripted, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    rows = [delivery() for _ in range(2)]
    provider.does = lambda pk: released.wait(60) if pk == rows[0].pk else None
    monkeypatch.setattr(senders, "CALL_S", 0.1)
    this = a_turn(EMAILS, rows[0], size=1)
    this._renew_at = 0.0
    this.run()
    assert states() == {rows[0].pk: DeliveryState.UNKNOWN, rows[1].pk: DeliveryState.ACCEPTED}
    assert story(rows[0]) == [LogEvent.CALLING, LogEvent.AMBIGUOUS]
    # The answer comes after all.
    released.set()
    wait_until(lambda: not this._senders._ended.empty(), "the thread has its answer")
    third = delivery()
    a_turn(EMAILS, third, size=1).run()
    assert states()[rows[0].pk] == DeliveryState.ACCEPTED
    assert story(rows[0])[-1] == LogEvent.ACCEPTED
    assert sorted(provider.sent) == sorted([*(row.pk for row in rows), third.pk])


def test_a_turn_that_ends_keeps_its_place_for_no_call_that_hangs(
    delivery: Make, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_when_woken: list[int] = []
    released = threading.Event()

    def wake_another(*_: Any) -> None:
        held_when_woken.append(redis_client.shared().zcard(EMAILS.keys[0]))
        released.set()

    def hang(_: UUID) -> None:
        its_time_is_up(this)
        assert released.wait(60)

    monkeypatch.setattr(wakeups, "wake_another", wake_another)
    provider.does = hang
    rows = [delivery() for _ in range(40)]
    this = a_turn(EMAILS, rows[0], size=1)
    # Only the end of the turn wakes another worker.
    this._wake_at = math.inf
    this.run()
    assert set(held_when_woken) == {0}, "a successor is woken while the call hangs, and has a place"
    assert len(provider.sent) == count(DeliveryState.ACCEPTED) > 0
    assert count(DeliveryState.DUE) == 40 - len(provider.sent) > 0


def test_a_call_that_missed_its_slot_waits_for_no_call_that_hangs(
    delivery: Make, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, handed_over, given_back = (threading.Event() for _ in range(3))
    in_time = iter([True])

    def wait(_: rate_limit.Slot) -> bool:
        if next(in_time, False):
            return True
        taken.set()
        # The second call is late, when the turn is over.
        return not handed_over.wait(60)

    def wake_another(*_: Any) -> None:
        (given_back if count(DeliveryState.DUE) else handed_over).set()

    def hang(_: UUID) -> None:
        assert taken.wait(60)
        its_time_is_up(this)
        assert given_back.wait(20)

    monkeypatch.setattr(rate_limit.Slot, "wait", wait)
    monkeypatch.setattr(wakeups, "wake_another", wake_another)
    provider.does = hang
    rows = [delivery() for _ in range(2)]
    this = a_turn(EMAILS, rows[0], size=2)
    this._wake_at = math.inf
    this.run()
    assert sorted(states().values()) == [DeliveryState.ACCEPTED, DeliveryState.DUE]


def test_a_slowed_channel_takes_one_process_at_most_beside_its_places(
    delivery: Make,
    provider: Scripted,
    woken: list[Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EMAIL_RATE_LIMIT = 10
    ending, released = Place(EMAILS, ""), threading.Event()
    assert ending.hold()
    assert ending.hand_over()
    hand_over, seen = Place.hand_over, []

    def look(place: Place) -> bool:
        is_over = hand_over(place)
        seen.append((is_over, Place(EMAILS, "").hold(), count(DeliveryState.DUE), len(woken)))
        released.set()
        return is_over

    def slow(_: UUID) -> None:
        its_time_is_up(this)
        assert released.wait(60)

    monkeypatch.setattr(Place, "hand_over", look)
    provider.does = slow
    rows = [delivery() for _ in range(8)]
    this = a_turn(EMAILS, rows[0], size=1)
    this._wake_at = math.inf
    this.run()
    assert seen[0] == (False, False, 8 - len(provider.sent), 0), "given back, and the place is kept"
    assert Place(EMAILS, "").hold()
    assert len(woken) == 1, "a successor is woken when its calls have ended"


def test_what_is_given_back_goes_before_what_became_due_later(delivery: Make) -> None:
    early = delivery(next_attempt_at=timezone.now() - timedelta(minutes=1))
    first = a_turn(EMAILS, early)
    first._claim()
    late = delivery()
    its_time_is_up(first)
    first.run()
    again = Delivery.objects.filter(state=DeliveryState.DUE).order_by("next_attempt_at")
    assert [row.pk for row in again] == [early.pk, late.pk]


def test_an_outcome_of_each_kind_is_recorded_for_its_own_delivery(
    delivery: Make, provider: Scripted
) -> None:
    accepted, rejected, unknown = (delivery() for _ in range(3))
    answers = {rejected.pk: PermanentError("no such user"), unknown.pk: AmbiguousError("silence")}

    def answer(delivery_id: UUID) -> None:
        if error := answers.get(delivery_id):
            raise error

    provider.does = answer
    attempt(accepted.pk)
    assert states() == {
        accepted.pk: DeliveryState.ACCEPTED,
        rejected.pk: DeliveryState.REJECTED,
        unknown.pk: DeliveryState.UNKNOWN,
    }


# --- Woken workers ------------------------------------------------------------------------------


def test_a_worker_without_a_place_claims_nothing(delivery: Make, settings: Any) -> None:
    settings.EMAIL_RATE_LIMIT = 10
    holder = Place(EMAILS, "")
    assert holder.hold()
    row = delivery()
    turn.handle(row.pk, Channel.EMAIL, Priority.MEDIUM)
    assert states() == {row.pk: DeliveryState.DUE}
    assert not holder.release_if_done(), "the holder looks again"


def test_an_urgent_message_does_not_wait_for_the_places_of_the_others(
    delivery: Make, settings: Any
) -> None:
    settings.EMAIL_RATE_LIMIT = 10
    assert Place(EMAILS, "").hold()
    row, other = delivery(priority=Priority.URGENT), delivery()
    turn.handle(row.pk, Channel.EMAIL, Priority.URGENT)
    assert states() == {row.pk: DeliveryState.ACCEPTED, other.pk: DeliveryState.DUE}


@pytest.mark.parametrize("woken_with", [5, None])
def test_a_wake_up_of_an_unknown_priority_is_handled(
    delivery: Make, woken_with: int | None
) -> None:
    row = delivery()
    task: Any = tasks.send_notification_email
    task.push_request(delivery_info={"priority": woken_with})
    try:
        task.run(str(row.pk))
    finally:
        task.pop_request()
    assert len(memory.emails) == 1


def test_a_failing_broker_does_not_end_a_turn(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no route to the broker")

    monkeypatch.setattr(wakeups, "_publish", broken)
    monkeypatch.setattr(wakeups, "_broker_rests_until", 0.0)
    rows = [delivery(priority=Priority.URGENT) for _ in range(3)]
    attempt(rows[0].pk)
    assert count(DeliveryState.ACCEPTED) == 3


def test_without_redis_everything_is_sent_once(
    delivery: Make, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "_own", rate_limit._OwnLimiter())
    monkeypatch.setattr(rate_limit, "GRACE_S", 0)
    rows = [delivery() for _ in range(3)]
    redis_server.stop()
    attempt(rows[0].pk)
    assert count(DeliveryState.ACCEPTED) == len(memory.emails) == 3


def test_a_redis_that_is_emptied_in_the_middle_of_a_turn_loses_nothing(
    delivery: Make, provider: Scripted, redis_url: str
) -> None:
    server = redis.Redis.from_url(redis_url)
    provider.does = lambda _: server.flushall()
    rows = [delivery() for _ in range(6)]
    this = a_turn(EMAILS, rows[0], size=2)
    this._renew_at = 0.0
    this.run()
    assert count(DeliveryState.ACCEPTED) == len(provider.sent) == 6


@pytest.mark.django_db(transaction=True)
def test_no_row_is_stranded_whenever_it_becomes_due(
    delivery: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows appear while workers wake, look, and go to sleep. No sweep runs, and none looks again
    unless it was told to."""
    settings.EMAIL_RATE_LIMIT = 1000
    broker: SimpleQueue[str] = SimpleQueue()
    monkeypatch.setattr(Pool, "size", 2)
    monkeypatch.setattr(wakeups, "_publish", lambda _, pk, **__: broker.put(pk))

    def work() -> None:
        while pk := broker.get():
            if begun := begin(EMAILS, UUID(pk)):
                begun.run()
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for n in range(60):
            wakeups.wake([delivery()])
            if n % 7 == 0:
                # They have all gone to sleep.
                wait_until(lambda: count(DeliveryState.DUE) == 0, "nothing is due")
        wait_until(lambda: count(DeliveryState.ACCEPTED) == 60, "all have gone out")
    finally:
        for _ in workers:
            broker.put("")
        for worker in workers:
            worker.join()
    assert len(memory.emails) == 60


@pytest.mark.services
def test_a_backlog_of_texts_holds_up_no_email(
    worker: Callable[..., Worker], delivery: Make
) -> None:
    """One process, and texts for a whole hour that were there before the e-mails."""
    texts = [delivery(Channel.SMS, Priority.HIGH) for _ in range(36)]
    wakeups.wake(texts)
    emails = [delivery(Channel.EMAIL, Priority.MEDIUM) for _ in range(5)]
    wakeups.wake(emails)
    worker(1, SMS_RATE_LIMIT="0.01", **CONSOLE)
    taken = Delivery.objects.filter(channel=Channel.EMAIL, state=DeliveryState.ACCEPTED)
    wait_until(lambda: taken.count() == len(emails), "the e-mails have gone out")
    assert Delivery.objects.filter(channel=Channel.SMS, state=DeliveryState.ACCEPTED).count() <= 1


@pytest.mark.services
def test_every_delivery_of_a_backlog_is_sent_without_a_sweep(
    worker: Callable[..., Worker], delivery: Make
) -> None:
    """No beat runs here: a worker whose turn ends wakes the next."""
    rows = [delivery(Channel.SMS, Priority.HIGH) for _ in range(60)]
    wakeups.wake(rows)
    worker(2, SMS_RATE_LIMIT="10", **CONSOLE)
    taken = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    wait_until(lambda: taken.count() == len(rows), "all have gone out")
    calls = NotificationDeliveryLog.objects.filter(event=LogEvent.CALLING)
    assert calls.count() - NotificationDeliveryLog.objects.filter(
        event=LogEvent.NOT_CALLED
    ).count() == len(rows)


@pytest.mark.services
def test_a_worker_that_is_told_to_stop_gives_back_and_ends(
    worker: Callable[..., Worker], delivery: Make
) -> None:
    rows = [delivery() for _ in range(4)]
    wakeups.wake(rows)
    running = worker(1, EMAIL_RATE_LIMIT="0.01", **CONSOLE)
    wait_until(lambda: count(DeliveryState.SENDING), "one waits for its rate slot")
    running.process.terminate()
    running.process.wait(60)
    assert count(DeliveryState.SENDING) == 0
    assert count(DeliveryState.DUE) + count(DeliveryState.ACCEPTED) == len(rows)


def test_a_text_s_parts_are_kept_for_the_costs(delivery: Make, memory_providers: None) -> None:
    rows = [delivery(Channel.SMS, Priority.HIGH), delivery(Channel.EMAIL, Priority.HIGH)]
    for row in rows:
        turn.handle(row.pk, Channel(row.channel), Priority.HIGH)
        row.refresh_from_db()
    assert [(row.state, row.parts) for row in rows] == [
        (DeliveryState.ACCEPTED, 1),
        (DeliveryState.ACCEPTED, None),
    ]
