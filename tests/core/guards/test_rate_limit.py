import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.utils import timezone

from apps.core import redis_client
from apps.core.delivery import shutdown
from apps.core.exceptions import ThrottledError
from apps.core.guards import rate_limit
from apps.core.models import Delivery
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.attempts import attempt

EMAIL, SMS = Channel.EMAIL, Channel.SMS
NAP_S = rate_limit.LONGEST_NAP_S


@pytest.fixture(autouse=True)
def pace(redis_url: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """Start with an empty Redis, one message in ten seconds, and a fresh own limiter."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    settings.EMAIL_RATE_LIMIT = settings.SMS_RATE_LIMIT = 0.1
    monkeypatch.setattr(rate_limit, "_own", rate_limit._OwnLimiter())
    monkeypatch.setattr(rate_limit, "PATIENCE_S", 0.2)
    monkeypatch.setattr(rate_limit, "USED", 1)
    monkeypatch.setattr(rate_limit, "LONGEST_NAP_S", 3600)
    yield client
    client.flushall()


def ask(
    channel: Channel = EMAIL, *, urgent: bool = False, weight: int = 1, waiter: str = "one"
) -> float:
    """Return 0 if a slot was given for now, else the seconds until asking again."""
    answer = rate_limit.take(channel, [weight], is_urgent=urgent, waiter=waiter)
    assert bool(answer.slots) is (answer.seconds == 0)
    return answer.seconds


def test_idle_time_gives_no_credit() -> None:
    assert ask() == 0
    assert 9 < ask() <= 9.9


def test_a_slot_is_given_a_moment_ahead_and_kept_for_its_own_time(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_RATE_LIMIT = 0.001
    monkeypatch.setattr(rate_limit, "LEAD_S", 1500)
    begun = time.monotonic()
    answers = [rate_limit.take(EMAIL, [1]) for _ in range(4)]
    assert [len(answer.slots) for answer in answers] == [1, 1, 0, 0]
    assert answers[0].slots[0].at < begun + 100
    assert 900 < answers[1].slots[0].at - begun < 1100
    assert 400 < ask() <= 500, "until the third slot is less than the lead away"


def test_several_slots_come_in_one_trip_each_at_its_own_time(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_RATE_LIMIT = 0.001
    monkeypatch.setattr(rate_limit, "LEAD_S", 2500)
    answer = rate_limit.take(EMAIL, [1] * 5)
    first, second, third = (slot.at for slot in answer.slots)
    assert second - first == pytest.approx(1000)
    assert third - second == pytest.approx(1000)
    assert 400 < answer.seconds <= 500, "until the fourth slot is less than the lead away"


def test_slots_of_one_trip_are_as_far_apart_as_their_messages_weigh(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_RATE_LIMIT = 0.001
    monkeypatch.setattr(rate_limit, "LEAD_S", 5500)
    first, second, third = (slot.at for slot in rate_limit.take(SMS, [3, 2, 1, 1]).slots)
    assert second - first == pytest.approx(3000)
    assert third - second == pytest.approx(2000)


def test_all_that_is_asked_for_is_given_if_it_fits(settings: Any) -> None:
    settings.EMAIL_RATE_LIMIT = 1000
    answer = rate_limit.take(EMAIL, [1] * 16)
    assert len(answer.slots) == 16
    assert answer.seconds == 0
    assert sorted(answer.slots) == answer.slots


def test_a_slot_is_waited_for_and_a_passed_one_is_lost() -> None:
    slot = rate_limit.Slot(time.monotonic() + 0.1)
    assert slot.wait()
    assert time.monotonic() >= slot.at
    assert not rate_limit.Slot(time.monotonic() - 1).wait()


def test_a_call_that_missed_its_slot_takes_another_and_is_made_once(
    delivery: Callable[..., Delivery],
    story: Callable[[Delivery], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = [rate_limit.Slot(time.monotonic() - 1)] * 2
    take = rate_limit.take

    def late(*arguments: Any, **options: Any) -> rate_limit.Answer:
        return rate_limit.Answer([passed.pop()], 0) if passed else take(*arguments, **options)

    monkeypatch.setattr(rate_limit, "take", late)
    row = delivery()
    attempt(row.pk)
    assert story(row) == ["calling", "accepted"]
    assert len(memory.emails) == 1


def test_a_call_that_finds_no_other_slot_is_given_back(
    delivery: Callable[..., Delivery],
    story: Callable[[Delivery], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def late(*arguments: Any, **_: Any) -> rate_limit.Answer:
        asked.append(arguments)
        passed = rate_limit.Slot(time.monotonic() - 1)
        return rate_limit.Answer([passed] if len(asked) == 1 else [], 0.01)

    monkeypatch.setattr(rate_limit, "take", late)
    monkeypatch.setattr(shutdown, "is_requested", lambda: len(asked) == 2)
    row = delivery()
    attempt(row.pk)
    assert story(row) == ["calling", "not_called"]
    after = Delivery.objects.get(pk=row.pk)
    assert (after.state, after.failures) == (DeliveryState.DUE, 0)
    assert memory.emails == []


def test_slots_are_given_a_little_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "USED", 0.5)
    assert ask() == 0
    assert 19 < ask() <= 19.9


def test_each_channel_has_a_pace_of_its_own() -> None:
    assert ask(EMAIL) == 0
    assert ask(SMS) == 0
    assert ask(EMAIL) > 0


def test_a_text_of_three_parts_counts_for_three() -> None:
    assert ask(SMS, weight=3) == 0
    assert 29 < ask(SMS) <= 29.9


def test_workers_at_once_never_go_faster_than_the_limit(
    settings: Any, pace: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_RATE_LIMIT = 100
    monkeypatch.setattr(rate_limit, "PATIENCE_S", 60)
    seconds, microseconds = pace.time()

    def work() -> None:
        for _ in range(10):
            assert rate_limit.wait_for_slot(EMAIL, Priority.MEDIUM)

    with ThreadPoolExecutor(5) as workers:
        for done in [workers.submit(work) for _ in range(5)]:
            done.result()
    after_fifty = int(pace.get("rs:pace:email:arrival") or 0)
    assert after_fifty >= seconds * 1_000_000 + microseconds + 50 * 10_000


def test_workers_that_take_several_slots_never_go_faster_than_the_limit(
    settings: Any, pace: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_RATE_LIMIT = 200
    monkeypatch.setattr(rate_limit, "LEAD_S", 3600)
    seconds, microseconds = pace.time()
    weights = [1, 2, 3]

    def work() -> int:
        return sum(len(rate_limit.take(SMS, weights).slots) for _ in range(5))

    with ThreadPoolExecutor(5) as workers:
        trips = [workers.submit(work) for _ in range(5)]
        assert sum(done.result() for done in trips) == 5 * 5 * 3
    after_all = int(pace.get("rs:pace:sms:arrival") or 0)
    parts = 5 * 5 * sum(weights)
    assert after_all >= seconds * 1_000_000 + microseconds + parts * 5_000


def test_a_waiting_urgent_message_keeps_the_others_back(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "URGENT_HOLDS_MS", 60_000)
    assert ask() == 0
    assert ask(urgent=True) > 0
    settings.EMAIL_RATE_LIMIT = 1_000_000  # the next slot has come
    redis_client.shared().delete("rs:pace:email:arrival")
    assert ask() > 0
    assert ask(urgent=True) == 0
    assert ask() == 0


def test_every_waiting_urgent_message_keeps_the_others_back(
    settings: Any, pace: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "URGENT_HOLDS_MS", 60_000)
    assert ask() == 0
    assert ask(urgent=True, waiter="first") > 0
    assert ask(urgent=True, waiter="second") > 0
    settings.EMAIL_RATE_LIMIT = 1_000_000
    pace.delete("rs:pace:email:arrival")
    assert ask(urgent=True, waiter="first") == 0
    assert ask() > 0, "the second still waits"
    assert ask(urgent=True, waiter="second") == 0
    assert ask() == 0


def test_a_hold_lasts_longer_than_the_nap_between_two_questions() -> None:
    assert rate_limit.URGENT_HOLDS_MS >= 2 * NAP_S * 1000


def test_a_message_without_a_slot_gives_up_waiting() -> None:
    assert rate_limit.wait_for_slot(EMAIL, Priority.MEDIUM)
    assert not rate_limit.wait_for_slot(EMAIL, Priority.MEDIUM)


def test_throttle_answers_halve_the_pace_down_to_an_eighth(
    pace: redis.Redis,
) -> None:
    for _ in range(5):
        rate_limit.slow_down(EMAIL)
        pace.delete("rs:pace:email:throttled")
    assert ask() == 0
    assert 79 < ask() <= 79.9


def test_throttle_answers_of_one_moment_halve_it_once(pace: redis.Redis) -> None:
    with ThreadPoolExecutor(8) as workers:
        for done in [workers.submit(rate_limit.slow_down, EMAIL) for _ in range(8)]:
            done.result()
    assert pace.get("rs:pace:email:slow") == b"2"
    assert 0 < pace.pttl("rs:pace:email:throttled") <= rate_limit.ONE_ANSWER_MS


def test_a_slower_pace_ends(pace: redis.Redis) -> None:
    rate_limit.slow_down(EMAIL)
    assert 0 < pace.ttl("rs:pace:email:slow") <= rate_limit.SLOW_FOR_S


def test_while_redis_fails_briefly_nothing_is_sent(
    redis_server: Any,
) -> None:
    redis_server.stop()
    assert ask() > 0
    assert ask() > 0
    redis_server.start()
    assert ask() == 0
    assert 9 < ask() <= 9.9


def test_without_redis_a_process_keeps_to_its_share_of_the_limit(
    settings: Any, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATE_LIMIT_SHARES = 4
    monkeypatch.setattr(rate_limit, "GRACE_S", 0)
    redis_server.stop()
    assert ask() == 0
    assert 39 < ask() <= 40
    assert ask(SMS) == 0
    rate_limit.slow_down(EMAIL)


def test_the_first_process_back_at_redis_holds_the_channel_once(
    redis_server: Any, pace: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "GRACE_S", 0)
    monkeypatch.setattr(rate_limit, "RETURN_S", 100)
    monkeypatch.setattr(rate_limit, "REST_S", 0)
    redis_server.stop()
    assert ask(EMAIL) == ask(SMS) == 0
    redis_server.start()
    assert 99 < ask(EMAIL) <= 100
    assert 99 < ask(SMS) <= 100
    pace.delete("rs:pace:email:arrival")
    monkeypatch.setattr(rate_limit, "_own", rate_limit._OwnLimiter())
    rate_limit._own.has_sent.add(EMAIL)
    assert ask() == 0, "the second that is back does not hold it again"


def test_a_delivery_without_a_rate_slot_is_given_back_unchanged(
    delivery: Callable[..., Delivery],
    story: Callable[[Delivery], list[str]],
    no_rate_slot: None,
) -> None:
    row = delivery()
    attempt(row.pk)
    after = Delivery.objects.get(pk=row.pk)
    assert (after.state, after.failures) == (DeliveryState.DUE, 0)
    assert after.next_attempt_at
    assert after.next_attempt_at <= timezone.now()
    assert story(after) == []
    assert memory.emails == []


def test_a_throttled_attempt_slows_the_pace_and_counts_as_no_failure(
    delivery: Callable[..., Delivery], pace: redis.Redis
) -> None:
    row = delivery()
    memory.failures.append(ThrottledError("Maximum sending rate exceeded", code="454"))
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).failures == 0
    assert pace.get("rs:pace:email:slow") == b"2"


def test_a_clock_that_is_set_back_does_not_stop_the_channel(pace: redis.Redis) -> None:
    ahead = (time.time() + 3 * 24 * 3600) * 1_000_000
    pace.set("rs:pace:email:arrival", f"{ahead:.0f}")
    assert ask() == 0
