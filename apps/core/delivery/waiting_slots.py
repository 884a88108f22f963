"""The line before each channel's limiter: so many processes wait there, and no more.

A process that waits for its turn can do nothing else. With a backlog of text messages each would
come to wait for one, and e-mail would stand still behind them though its own pace has room. So
whoever finds the line full goes on to other work: the delivery stays due in the database, the line
is marked as *behind*, and whoever leaves it, with a turn or without, wakes the next ones from
there. So a backlog needs no wake-up for each delivery, and has none. Urgent and high priorities
have a line of their own.

Redis keeps the lines for all workers of all hosts, each change in one script: nobody can go away
between the moment at which somebody else was the last to leave and that at which they looked.
"""

import logging
import math
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

import redis

from apps.core.guards import rate_limit
from apps.core.states import Channel, Priority

logger = logging.getLogger(__name__)

#: One who waits for each so many messages a second: it takes a process less than 100 ms to be
#: woken, claim its delivery and put it into words, and its turn is given that much ahead.
FOR_EACH_PER_S = 10.0
#: Milliseconds after which the place of a worker that was lost is free, and one that is kept for a
#: worker that was woken and does not come.
PLACE_MS, KEPT_MS = 3_000, 5_000
#: Milliseconds for which a line is taken to be behind after the last sign of it: longer than it
#: takes the sweep to notice that nobody waits in it any more.
BEHIND_MS = 60_000

_JOIN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local is_kept = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not is_kept and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1
"""

_KEEP = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
for number = 3, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[number]) end
"""

#: Whether deliveries may be due for which nobody was woken, and how many wait or are about to.
_LOOK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return {redis.call('EXISTS', KEYS[2]), redis.call('ZCARD', KEYS[1])}
"""

#: How many are to be woken: as many as there are places, where the line is behind.
_LEAVE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return math.max(0, ARGV[2] - redis.call('ZCARD', KEYS[1]))
"""


class Line(NamedTuple):
    """One of a channel's two lines."""

    channel: Channel
    goes_first: bool

    @property
    def priorities(self) -> list[Priority]:
        return [each for each in Priority if rate_limit.goes_first(each) == self.goes_first]

    @property
    def places(self) -> int:
        return max(1, math.ceil(rate_limit.rate(self.channel) / FOR_EACH_PER_S))

    @property
    def keys(self) -> tuple[str, str]:
        prefix = f"rs:line:{self.channel}:{'first' if self.goes_first else 'others'}"
        return f"{prefix}:places", f"{prefix}:behind"

    def look(self) -> "State":
        """How it stands; raises RedisError."""
        is_behind, present = rate_limit.client().eval(_LOOK, 2, *self.keys)
        return State(bool(is_behind), is_moving=bool(is_behind and present))

    def keep(self, deliveries: Iterable[UUID]) -> None:
        """It is behind, and workers are being woken for these of it; raises RedisError."""
        names = [str(pk) for pk in deliveries]
        rate_limit.client().eval(_KEEP, 2, *self.keys, BEHIND_MS, KEPT_MS, *names)


class State(NamedTuple):
    """Whether deliveries may be due in a line for which nobody was woken, and whether somebody
    waits in it, or is about to, who will find what was committed before this was asked.
    """

    is_behind: bool
    is_moving: bool


class Place:
    """A place in a line, under the name of its delivery, until it is left."""

    def __init__(self, line: Line, delivery: UUID) -> None:
        self.line = line
        self._name = str(delivery)
        self._is_left = False

    def leave(self) -> int:
        """Let others wait; how many of them are to be woken. None the second time."""
        if self._is_left:
            return 0
        self._is_left = True
        line = self.line
        try:
            return int(rate_limit.client().eval(_LEAVE, 2, *line.keys, self._name, line.places))
        except redis.RedisError as error:
            logger.warning("line not left, its place ends by itself: %s", error)
            return 0

    def take(self) -> bool:
        """Whether there is room. Where Redis cannot say, there is: the pace is kept elsewhere."""
        line = self.line
        arguments = (self._name, line.places, PLACE_MS, BEHIND_MS)
        try:
            return bool(rate_limit.client().eval(_JOIN, 2, *line.keys, *arguments))
        except redis.RedisError as error:
            logger.warning("line not joined, going on without: %s", error)
            return True


def line_of(channel: Channel, priority: Priority) -> Line:
    """The line in which a delivery of that priority waits."""
    return Line(channel, rate_limit.goes_first(priority))


def join(line: Line, delivery: UUID) -> Place | None:
    """A place in the line; None where it is full, and then somebody else wakes who was due."""
    place = Place(line, delivery)
    return place if place.take() else None
