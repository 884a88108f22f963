"""How many processes pull from one pool, whom a message wakes, and who looks once more."""

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest
import redis

from apps.core.delivery import places
from apps.core.delivery.places import POOLS, Place, Pool
from apps.core.states import Channel, Priority
from tests.support.services import Redis, wait_until

EMAILS, URGENT_EMAILS = Pool(Channel.EMAIL, is_urgent=False), Pool(Channel.EMAIL, is_urgent=True)
TEXTS = Pool(Channel.SMS, is_urgent=False)


@pytest.fixture(autouse=True)
def one_place(settings: Any) -> None:
    """Set limits that give each pool one place."""
    settings.EMAIL_RATE_LIMIT = settings.SMS_RATE_LIMIT = 10


@pytest.fixture
def server(redis_url: str) -> Any:
    return redis.Redis.from_url(redis_url)


def wakes(pool: Pool = EMAILS, name: str = "row", *, another: bool = False) -> bool:
    """Return whether a message that became due wakes a process."""
    [is_to_wake] = places.to_wake([pool], [name], another=another)
    return is_to_wake


def held(pool: Pool = EMAILS, woken_by: str = "row") -> Place:
    place = Place(pool, woken_by)
    assert place.hold()
    return place


def others_wait(place: Place) -> bool:
    assert place.hold()
    return place.others_wait


@pytest.mark.parametrize(("rate", "size"), [(0.2, 1), (14, 1), (51, 2), (100, 2), (10_000, 64)])
def test_a_pool_has_a_place_for_each_fifty_messages_a_second(
    settings: Any, rate: float, size: int
) -> None:
    settings.SMS_RATE_LIMIT = rate
    assert TEXTS.size == size


def test_each_channel_has_a_pool_for_urgent_deliveries_and_one_for_all() -> None:
    found = {places.pool_of(channel, priority) for channel in Channel for priority in Priority}
    assert found == set(POOLS)
    assert places.pool_of(Channel.SMS, Priority.URGENT).is_urgent
    assert not places.pool_of(Channel.SMS, Priority.HIGH).is_urgent
    assert len({key for pool in POOLS for key in pool.keys}) == 3 * len(POOLS)


def test_one_process_is_woken_while_none_is_awake() -> None:
    assert wakes()
    assert not wakes(name="second"), "the first is on its way"
    place = held()
    assert not wakes(name="third"), "it is awake"
    assert not place.release_if_done(), "it is to look again"
    assert place.release_if_done()
    assert wakes()


def test_a_process_that_was_woken_and_never_began_blocks_no_other_for_long(
    server: Any,
) -> None:
    assert wakes()
    seconds, _ = server.time()
    before = (seconds - places.WOKEN_MS // 1000 - 1) * 1000
    server.zadd(EMAILS.keys[1], {"row": before})
    assert wakes(name="second")


def test_another_is_woken_while_the_pool_has_places(settings: Any) -> None:
    settings.EMAIL_RATE_LIMIT = 150
    held()
    assert [wakes(name=str(n), another=True) for n in range(4)] == [True, True, False, False]


def test_one_question_wakes_for_several_pools_at_once() -> None:
    held(TEXTS)
    assert places.to_wake([EMAILS, TEXTS, URGENT_EMAILS], ["a", "b", "c"]) == [True, False, True]


def test_a_pool_has_at_most_its_size_of_holders(settings: Any) -> None:
    settings.EMAIL_RATE_LIMIT = 350
    with ThreadPoolExecutor(16) as workers:
        found = list(workers.map(lambda _: Place(EMAILS, "").hold(), range(64)))
    assert found.count(True) == 7


def test_a_holder_renews_its_place_although_the_pool_is_full() -> None:
    place = held()
    assert not Place(EMAILS, "").hold()
    assert place.hold()


def test_a_pool_does_not_take_places_of_another() -> None:
    for pool in POOLS:
        held(pool)


def test_a_lost_process_s_place_is_free_after_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_HOLD", places._HOLD.replace(f"now + {places.LEASE_MS}", "now"))
    held()
    wait_until(Place(EMAILS, "").hold, "the place is free")


def test_a_place_is_leased_for_a_while_only(server: Any) -> None:
    before, _ = server.time()
    held()
    [(_, until)] = server.zrange(EMAILS.keys[0], 0, -1, withscores=True)
    assert 0 < until - before * 1000 <= places.LEASE_MS + 60_000


def test_a_process_that_finds_no_place_has_the_holder_look_again() -> None:
    place = held()
    assert not Place(EMAILS, "").hold()
    assert not place.release_if_done()


def test_a_released_place_is_free_although_more_is_due() -> None:
    place = held()
    assert not wakes()
    place.release()
    held()


def test_one_process_of_a_channel_waits_for_its_calls_without_a_place(server: Any) -> None:
    first = held()
    assert first.hand_over()
    second, urgent, other = held(), held(URGENT_EMAILS), held(TEXTS)
    assert not second.hand_over()
    assert not Place(EMAILS, "row").hold(), "the second has its place still"
    assert not urgent.hand_over()
    assert other.hand_over(), "another channel does not wait for this one"
    assert server.zscore(EMAILS.ending, first._name) < 1000 * server.time()[0] + 40_000
    first.release()
    assert second.hand_over()


def test_a_process_sees_that_another_pool_waits(server: Any) -> None:
    place = held()
    seconds, _ = server.time()
    server.zadd(TEXTS.keys[1], {"row": (seconds + 60) * 1000})
    assert not others_wait(place), "it was woken a moment ago"
    server.zadd(TEXTS.keys[1], {"row": (seconds - 1) * 1000})
    assert others_wait(place)
    held(TEXTS)
    assert not others_wait(place), "it has begun"


def test_without_redis_every_process_has_a_place(redis_server: Redis) -> None:
    redis_server.stop()
    found = [held() for _ in range(3)]
    assert [place.release_if_done() for place in found] == [True] * 3
    found[0].release()
    with pytest.raises(redis.RedisError):
        wakes()


def test_nothing_is_stranded_between_a_worker_s_last_look_and_its_release() -> None:
    """Threads make things due and wake; a worker looks, sends, and sleeps when it is done.

    Whatever the order, a worker is awake or on its way as long as anything is due.
    """
    due: set[int] = set()
    sent: list[int] = []
    broker: SimpleQueue[str] = SimpleQueue()

    def write(numbers: range) -> None:
        for number in numbers:
            due.add(number)
            if wakes(name=str(number)):
                broker.put(str(number))

    def work() -> None:
        while woken_by := broker.get():
            place = Place(EMAILS, woken_by)
            is_awake = place.hold()
            while is_awake:
                while due:
                    sent.append(due.pop())
                is_awake = not place.release_if_done()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        with ThreadPoolExecutor(3) as writers:
            list(writers.map(write, (range(n * 200, n * 200 + 200) for n in range(3))))
        wait_until(lambda: len(sent) == 600, "nothing is left")
    finally:
        for _ in workers:
            broker.put("")
        for worker in workers:
            worker.join()
    assert sorted(sent) == list(range(600))
