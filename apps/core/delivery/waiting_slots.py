"""Waiting slots: how many processes may wait for one channel's rate limiter at the same time.

A process that waits for the limiter can do nothing else. Without a bound, a backlog of text
messages would occupy every process, and no e-mail could be sent. So a worker takes a waiting slot
first. If all slots are in use, the worker leaves its delivery due in the database, marks the pool
as having a *backlog*, and does other work. A worker that releases its slot while there is a backlog
wakes workers for the next deliveries, so a backlog needs no wake-up for each delivery.

Urgent and high priorities have a pool of their own on each channel. Redis keeps the pools for all
hosts, and each change is one script, so a release cannot miss a backlog that is marked meanwhile.
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

#: One slot for each so many messages a second. A worker needs less than 100 ms to start, claim and
#: compose, and the limiter gives its rate slots that much ahead.
RATE_PER_SLOT = 10.0
#: Milliseconds after which the slot of a lost worker is free again: longer than a worker that lives
#: can hold it, so that a slow channel does not fill every process.
SLOT_MS = 25_000
#: Milliseconds for which a slot is reserved for a worker that was woken.
RESERVED_MS = 5_000
#: Milliseconds for which a pool counts as having a backlog after the last sign of one: longer than
#: the sweep needs to notice that no worker waits in it any more.
BACKLOG_MS = 60_000

_ACQUIRE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local is_reserved = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not is_reserved and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1
"""

_RESERVE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
for number = 3, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[number]) end
"""

#: Returns whether there is a backlog, and how many slots are in use or reserved.
_LOOK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return {redis.call('EXISTS', KEYS[2]), redis.call('ZCARD', KEYS[1])}
"""

#: Returns how many workers to wake: one for each free slot if there is a backlog.
_RELEASE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return math.max(0, ARGV[2] - redis.call('ZCARD', KEYS[1]))
"""


class Pool(NamedTuple):
    """One of a channel's two pools of waiting slots."""

    channel: Channel
    goes_first: bool

    @property
    def priorities(self) -> list[Priority]:
        return [each for each in Priority if rate_limit.goes_first(each) == self.goes_first]

    @property
    def size(self) -> int:
        return max(1, math.ceil(rate_limit.rate(self.channel) / RATE_PER_SLOT))

    @property
    def keys(self) -> tuple[str, str]:
        prefix = f"rs:slots:{self.channel}:{'first' if self.goes_first else 'others'}"
        return f"{prefix}:used", f"{prefix}:backlog"

    def look(self) -> "PoolState":
        """Return the pool's state; raise RedisError."""
        has_backlog, used = rate_limit.client().eval(_LOOK, 2, *self.keys)
        return PoolState(bool(has_backlog), is_moving=bool(has_backlog and used))

    def reserve(self, deliveries: Iterable[UUID]) -> None:
        """Mark a backlog, and reserve slots for these deliveries' workers; raise RedisError."""
        names = [str(pk) for pk in deliveries]
        rate_limit.client().eval(_RESERVE, 2, *self.keys, BACKLOG_MS, RESERVED_MS, *names)


class PoolState(NamedTuple):
    """What Redis says of a pool."""

    #: Deliveries may be due for which no worker was woken.
    has_backlog: bool
    #: There is a backlog and a worker with a slot, which will wake the next ones.
    is_moving: bool


class WaitingSlot:
    """A slot in a pool, under the name of its delivery, until it is released."""

    def __init__(self, pool: Pool, delivery: UUID) -> None:
        self.pool = pool
        self._name = str(delivery)
        self._is_released = False

    def release(self) -> int:
        """Release the slot, once. Return how many workers to wake for the backlog."""
        if self._is_released:
            return 0
        self._is_released = True
        pool = self.pool
        try:
            return int(rate_limit.client().eval(_RELEASE, 2, *pool.keys, self._name, pool.size))
        except redis.RedisError as error:
            logger.warning("waiting slot not released, it expires by itself: %s", error)
            return 0

    def acquire(self) -> bool:
        """Take a slot if one is free. Return True if Redis fails: the rate limit holds anyway."""
        pool = self.pool
        arguments = (self._name, pool.size, SLOT_MS, BACKLOG_MS)
        try:
            return bool(rate_limit.client().eval(_ACQUIRE, 2, *pool.keys, *arguments))
        except redis.RedisError as error:
            logger.warning("no waiting slot asked for, going on without: %s", error)
            return True


def pool_of(channel: Channel, priority: Priority) -> Pool:
    return Pool(channel, rate_limit.goes_first(priority))


def acquire(pool: Pool, delivery: UUID) -> WaitingSlot | None:
    """Return a waiting slot for the delivery, or None if all are in use."""
    slot = WaitingSlot(pool, delivery)
    return slot if slot.acquire() else None
