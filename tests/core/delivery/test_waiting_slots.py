"""Who may wait for a channel's turn, and who is woken when somebody had it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import broker, sweeps, waiting_slots, wakeups
from apps.core.delivery.attempt import attempt
from apps.core.delivery.waiting_slots import Line
from apps.core.exceptions import AmbiguousError
from apps.core.models import Delivery
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.services import Worker, wait_until

Make = Callable[..., Delivery]
#: What a worker sends goes to its own output.
CONSOLE = {
    "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
    "SMS_BACKEND": "apps.core.providers.console.SMSConsole",
}
TEXTS, EMAILS = Line(Channel.SMS, goes_first=True), Line(Channel.EMAIL, goes_first=False)


@pytest.fixture(autouse=True)
def empty(redis_url: str, settings: Any) -> Iterator[redis.Redis]:
    """An empty Redis, and limits for which one may wait for texts and two for e-mails."""
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


def join(line: Line) -> waiting_slots.Place | None:
    """For a delivery that nobody was woken for."""
    return waiting_slots.join(line, uuid4())


def joined(line: Line) -> waiting_slots.Place:
    place = join(line)
    assert place
    return place


@pytest.mark.parametrize(("rate", "places"), [(0.2, 1), (1, 1), (10, 1), (14, 2), (100, 10)])
def test_there_are_as_many_places_as_it_takes_to_lose_no_turn(
    settings: Any, rate: float, places: int
) -> None:
    settings.SMS_RATE_LIMIT = rate
    assert TEXTS.places == places
    taken = [join(TEXTS) for _ in range(places + 2)]
    assert [place is not None for place in taken] == [True] * places + [False] * 2


def test_each_channel_has_a_line_for_those_that_go_first_and_one_for_the_others() -> None:
    found = {
        waiting_slots.line_of(channel, priority) for channel in Channel for priority in Priority
    }
    assert len(found) == 4
    for line in found:
        assert join(line)
    assert waiting_slots.line_of(Channel.SMS, Priority.HIGH) == waiting_slots.line_of(
        Channel.SMS, Priority.URGENT
    )
    assert waiting_slots.line_of(Channel.SMS, Priority.HIGH).priorities == [
        Priority.URGENT,
        Priority.HIGH,
    ]


def test_who_leaves_wakes_as_many_as_there_is_room_for_once_somebody_was_turned_away() -> None:
    first, second = joined(EMAILS), joined(EMAILS)
    assert first.leave() == 0, "nobody came too late"
    third = joined(EMAILS)
    assert join(EMAILS) is None
    assert second.leave() == 1
    assert second.leave() == 0, "nobody is woken twice"
    assert third.leave() == 2
    assert not EMAILS.look().is_moving, "nobody waits"


def test_a_line_moves_while_it_is_behind_and_somebody_waits(empty: redis.Redis) -> None:
    place = joined(TEXTS)
    assert not TEXTS.look().is_moving
    assert join(TEXTS) is None
    assert TEXTS.look().is_moving
    assert 0 < empty.pttl("rs:line:sms:first:behind") <= waiting_slots.BEHIND_MS
    place.leave()
    assert not TEXTS.look().is_moving


def test_a_place_is_kept_for_whoever_was_woken_and_for_nobody_else(
    empty: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = uuid4()
    TEXTS.keep([woken])
    assert TEXTS.look() == (True, True)
    assert join(TEXTS) is None
    place = waiting_slots.join(TEXTS, woken)
    assert place
    assert place.leave() == 1
    assert TEXTS.look() == (True, False)
    monkeypatch.setattr(waiting_slots, "KEPT_MS", 1)
    TEXTS.keep([woken])
    wait_until(lambda: join(TEXTS), "it is not kept for ever")


def test_the_place_of_a_worker_that_was_lost_is_free_soon(
    empty: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_slots, "PLACE_MS", 1)
    joined(TEXTS)
    wait_until(lambda: join(TEXTS), "the place is free")


def test_many_at_once_get_no_more_than_the_places(settings: Any) -> None:
    settings.EMAIL_RATE_LIMIT = 70
    with ThreadPoolExecutor(16) as workers:
        places = list(workers.map(lambda _: join(EMAILS), range(64)))
    assert len([place for place in places if place]) == 7


def test_without_redis_everybody_goes_on_at_their_own_pace(redis_server: Any) -> None:
    redis_server.stop()
    places = [joined(TEXTS) for _ in range(3)]
    assert [place.leave() for place in places] == [0, 0, 0]


# --- The next one -------------------------------------------------------------------------------


def test_the_next_in_a_line_is_one_that_is_due_of_its_channel_and_the_most_urgent(
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


def test_a_delivery_that_finds_the_line_full_stays_as_it_is_and_is_woken_next(
    delivery: Make, woken: list[Delivery]
) -> None:
    place = joined(TEXTS)
    row = delivery(Channel.SMS, Priority.HIGH)
    tasks.send_notification_sms.apply(args=(str(row.pk),), priority=Priority.HIGH)
    after = Delivery.objects.get(pk=row.pk)
    assert (after.state, after.attempts) == (DeliveryState.DUE, 0)
    assert (woken, memory.texts) == ([], [])
    wakeups.wake_next(place)
    assert woken == [row]


def test_who_has_its_turn_wakes_the_next_before_it_calls(
    delivery: Make, woken: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = delivery(Channel.EMAIL, Priority.MEDIUM), delivery(Channel.EMAIL, Priority.LOW)
    EMAILS.keep([])
    woken_by_then: list[Delivery] = []

    def send(*_: Any) -> None:
        woken_by_then.extend(woken)
        raise AmbiguousError("no answer")

    monkeypatch.setattr("apps.core.channels.base.ChannelService.send", send)
    tasks.send_notification_email.apply(args=(str(first.pk),), throw=True)
    assert woken_by_then == [second]
    assert woken == [second], "and not again at its end"


@pytest.mark.parametrize("why", ["not sendable", "taken by another"])
def test_who_has_no_turn_wakes_the_next_as_well(
    delivery: Make, woken: list[Delivery], why: str
) -> None:
    first, second = delivery(Channel.EMAIL, Priority.MEDIUM), delivery(Channel.EMAIL, Priority.LOW)
    EMAILS.keep([])
    if why == "taken by another":
        Delivery.objects.filter(pk=first.pk).update(state=DeliveryState.SENDING)
    else:
        first.notification.recipient.contact.delete()
    tasks.send_notification_email.apply(args=(str(first.pk),))
    assert woken == [second]


def test_for_a_backlog_as_many_are_woken_as_may_wait_and_the_line_is_behind(
    delivery: Make, waiting: Callable[[Priority], int]
) -> None:
    wakeups.wake([delivery(Channel.EMAIL, Priority.MEDIUM) for _ in range(2)])
    assert (waiting(Priority.MEDIUM), EMAILS.look().is_behind) == (2, False)
    wakeups.wake([delivery(Channel.EMAIL, Priority.MEDIUM) for _ in range(5)])
    assert (waiting(Priority.MEDIUM), EMAILS.look().is_behind) == (4, True)


def test_nobody_is_woken_for_what_those_who_wait_will_find(
    delivery: Make, waiting: Callable[[Priority], int]
) -> None:
    joined(TEXTS)
    wakeups.wake([delivery(Channel.SMS, Priority.HIGH)])
    assert waiting(Priority.HIGH) == 1, "it is not behind, and they will look for none"
    assert join(TEXTS) is None
    wakeups.wake([delivery(Channel.SMS, Priority.HIGH), delivery(Channel.EMAIL, Priority.HIGH)])
    assert waiting(Priority.HIGH) == 2, "of these the e-mail alone"


def test_a_line_that_has_caught_up_wakes_nobody(delivery: Make, woken: list[Delivery]) -> None:
    EMAILS.keep([])
    row = delivery(Channel.EMAIL, Priority.MEDIUM)
    tasks.send_notification_email.apply(args=(str(row.pk),))
    assert len(memory.emails) == 1
    assert woken == []


def test_the_sweep_leaves_a_line_that_moves_to_those_in_it(
    delivery: Make, empty: redis.Redis
) -> None:
    a_while_ago = timezone.now() - sweeps.PATIENCE * 2
    row = delivery(Channel.SMS, Priority.HIGH, enqueued_at=a_while_ago)
    other = delivery(Channel.EMAIL, Priority.HIGH, enqueued_at=a_while_ago)
    joined(TEXTS)
    assert join(TEXTS) is None
    assert sweeps.due() == [other]
    empty.delete("rs:line:sms:first:places")
    assert sweeps.due() == [row], "nobody is left"
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
def test_everybody_who_found_the_line_full_has_their_turn(
    worker: Callable[..., Worker], delivery: Make
) -> None:
    """No sweep helps: it is whoever leaves that wakes the next."""
    rows = [delivery(Channel.SMS, Priority.HIGH) for _ in range(60)]
    wakeups.wake(rows)
    worker(4, SMS_RATE_LIMIT="10", **CONSOLE)
    taken = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    wait_until(lambda: taken.count() == len(rows), "all have gone out")
    assert not Delivery.objects.filter(attempts__gt=1).exists()


@pytest.mark.parametrize("woken_with", [5, None])
def test_a_wake_up_of_a_priority_that_is_none_of_ours_is_heeded(
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


def test_an_attempt_without_a_line_waits_for_nobody(delivery: Make) -> None:
    attempt(delivery().pk)
    assert len(memory.emails) == 1
