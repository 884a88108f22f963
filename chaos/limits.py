"""What holds for the workers of all hosts together: calls in doubt, the pace, and the places."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Self

import redis
from django.conf import settings

from apps.core.delivery.places import POOLS, Pool
from apps.core.delivery.senders import GROUP
from apps.core.states import Channel

LOOK_EVERY_S = 0.02
#: Seconds for which nothing may arrive while messages are due. A call that hangs takes 28.
LONGEST_PAUSE_S = 10.0
_SECOND = timedelta(seconds=1)
#: The holders of each place list, on Redis's clock.
_COUNT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = {}
for i, key in ipairs(KEYS) do held[i] = redis.call('ZCOUNT', key, '(' .. now, '+inf') end
return held
"""


def most_in_doubt(channels: Iterable[Channel]) -> int:
    """Return how many calls one process has announced and not recorded at most.

    It sends by one channel at a time. As many calls are under way as it has connections, and one
    group waits for a thread or for the record of its results.
    """
    connections = {Channel.EMAIL: settings.EMAIL_CONNECTIONS, Channel.SMS: settings.SMS_CONNECTIONS}
    return max(connections[channel] for channel in channels) + GROUP


def busiest_second(messages: Iterable[dict[str, Any]]) -> int:
    """Return how many messages arrived at the sandbox in the busiest sliding second."""
    times = sorted(datetime.fromisoformat(each["received_at"]) for each in messages)
    most = first = 0
    for position, time in enumerate(times):
        while time - times[first] >= _SECOND:
            first += 1
        most = max(most, position - first + 1)
    return most


def check_pauses(
    messages: Iterable[dict[str, Any]], *, broken: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the longest pause between two arrivals, and a problem if it is too long.

    The last ones may be those of the `broken` calls, which wait for a lease or a deadline.
    """
    times = sorted(datetime.fromisoformat(each["received_at"]) for each in messages)[:-broken]
    longest = max(later - sooner for sooner, later in pairwise(times)).total_seconds()
    problem = f"nothing arrived for {longest:.1f} s, {LONGEST_PAUSE_S:g} allowed"
    return {"longest_pause_s": longest}, [problem] if longest > LONGEST_PAUSE_S else []


class PlaceWatch:
    """Counts in a thread, again and again, how many processes hold a place in each pool."""

    def __init__(self, redis_port: int) -> None:
        #: The most that were counted.
        self.most: dict[Pool, int] = dict.fromkeys(POOLS, 0)
        self._redis = redis.Redis(port=redis_port)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._redis.close()

    def problems(self) -> list[str]:
        return [
            f"{held} processes held one of the {pool.size} places of {pool.channel}"
            for pool, held in self.most.items()
            if held > pool.size
        ]

    def _watch(self) -> None:
        keys = [pool.keys[0] for pool in POOLS]
        while not self._is_over.wait(LOOK_EVERY_S):
            counts: Any = self._redis.eval(_COUNT, len(keys), *keys)
            for pool, held in zip(POOLS, counts, strict=True):
                self.most[pool] = max(self.most[pool], held)
