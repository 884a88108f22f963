"""Places: how many processes may pull from one pool of deliveries at the same time.

A place is a permit of a semaphore with a lease. Redis keeps it, on its own clock, for all hosts;
the process that holds it renews it, and a lost process's place is free again after LEASE_MS. Losing
a place or Redis costs throughput, never a message: the database decides who has a delivery.

Redis also remembers which processes were woken and have not begun, and whether something became due
while a process was awake. So a message needs no wake-up if a process is awake, and that process
looks once more before it goes to sleep.

At the end of its turn a process hands its place over while its last calls are under way, since one
may hang. Only one process of a channel at a time does so: on a slowed channel all calls take long,
and a new process every few seconds would soon leave none for the other channels.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import redis

from apps.core import redis_client
from apps.core.guards import rate_limit
from apps.core.states import Channel, Priority

logger = logging.getLogger(__name__)

#: One place for each so many messages a second of the channel's limit. One process that keeps
#: several calls in flight does at least that.
RATE_PER_PLACE = 50.0
MOST_PLACES = 64
#: Milliseconds after which a place is free again unless its process renews it.
LEASE_MS = 5_000
#: Milliseconds for which a process counts as woken and about to begin.
WOKEN_MS = 5_000
#: Milliseconds after which a woken process that has not begun is taken to wait for another one.
WAITS_MS = 200
#: Milliseconds for which a process waits at most for its calls: more than senders.CALL_S.
ENDING_MS = 30_000
#: Milliseconds for which an unanswered "look again" is kept.
LOOK_AGAIN_MS = 60_000

_NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

#: For each pool, with its keys and its limit of awake processes: return 1 if one is to be woken.
_WAKE = f"""{_NOW}
local wake = {{}}
for i = 1, #KEYS / 3 do
  local held, woken, again = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', woken, '-inf', now - {WOKEN_MS})
  if redis.call('ZCARD', held) + redis.call('ZCARD', woken) < tonumber(ARGV[2 * i - 1]) then
    redis.call('ZADD', woken, now, ARGV[2 * i])
    wake[i] = 1
  else
    redis.call('SET', again, '1', 'PX', {LOOK_AGAIN_MS})
    wake[i] = 0
  end
end
return wake
"""

#: Take or renew a place: 0 if none is free, 2 if a process of another pool waits, else 1.
_HOLD = f"""{_NOW}
local name, size = ARGV[1], tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREM', KEYS[2], ARGV[3])
if not redis.call('ZSCORE', KEYS[1], name) and redis.call('ZCARD', KEYS[1]) >= size then
  redis.call('SET', KEYS[3], '1', 'PX', {LOOK_AGAIN_MS})
  return 0
end
redis.call('ZADD', KEYS[1], now + {LEASE_MS}, name)
for i = 4, #KEYS do
  if redis.call('ZCOUNT', KEYS[i], now - {WOKEN_MS}, now - {WAITS_MS}) > 0 then return 2 end
end
return 1
"""

#: Release a place, unless something became due meanwhile: then return 0, and the place is kept.
_RELEASE_IF_DONE = """
if redis.call('DEL', KEYS[3]) == 1 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
"""

#: Release a place while calls are under way, unless another process of the channel has: then
#: return 0, and the place is kept.
_HAND_OVER = f"""{_NOW}
local name, ending = ARGV[1], KEYS[2]
redis.call('ZREMRANGEBYSCORE', ending, '-inf', now)
if redis.call('ZCARD', ending) > 0 then return 0 end
redis.call('ZADD', ending, now + {ENDING_MS}, name)
redis.call('ZREM', KEYS[1], name)
return 1
"""


class Pool(NamedTuple):
    """The deliveries of one channel, or the urgent ones among them.

    Processes that pull urgent deliveries have places of their own, so they never wait for others.
    """

    channel: Channel
    is_urgent: bool

    @property
    def size(self) -> int:
        """Return the number of places."""
        places = math.ceil(rate_limit.rate(self.channel) / RATE_PER_PLACE)
        return max(1, min(MOST_PLACES, places))

    @property
    def keys(self) -> tuple[str, str, str]:
        prefix = f"rs:places:{self.channel}:{'urgent' if self.is_urgent else 'all'}"
        return f"{prefix}:held", f"{prefix}:woken", f"{prefix}:again"

    @property
    def ending(self) -> str:
        """The key of the channel's process that waits for its last calls without a place."""
        return f"rs:places:{self.channel}:ending"


POOLS = [Pool(channel, is_urgent) for channel in Channel for is_urgent in (True, False)]


def pool_of(channel: Channel, priority: Priority) -> Pool:
    return Pool(channel, rate_limit.goes_first(priority))


def to_wake(pools: Sequence[Pool], names: Sequence[str], *, another: bool = False) -> list[bool]:
    """Return for each pool whether to wake a process, which then counts as woken by that name.

    Without `another`, only if none is awake or woken; with it, if the pool has a place left. A
    process that is awake looks again before it sleeps. Raise RedisError.
    """
    keys = [key for pool in pools for key in pool.keys]
    limits = [pool.size if another else 1 for pool in pools]
    arguments = [each for pair in zip(limits, names, strict=True) for each in pair]
    return [bool(each) for each in redis_client.shared().eval(_WAKE, len(keys), *keys, *arguments)]


def count_held(pool: Pool) -> int:
    """Return how many processes have a place in the pool. Raise RedisError."""
    client = redis_client.shared()
    seconds, microseconds = client.time()
    return int(client.zcount(pool.keys[0], 1000 * seconds + microseconds // 1000, "+inf"))


class Place:
    """A place in a pool, for one process."""

    def __init__(self, pool: Pool, woken_by: str) -> None:
        self.pool = pool
        self._woken_by = woken_by
        self._name = uuid4().hex
        #: A process of another pool was woken and has not begun: all processes may be busy.
        self.others_wait = False

    def hold(self) -> bool:
        """Take the place, or renew it. Return False if all are taken; True if Redis fails."""
        others = [pool.keys[1] for pool in POOLS if pool != self.pool]
        keys = [*self.pool.keys, *others]
        answer = self._eval(_HOLD, keys, self._name, self.pool.size, self._woken_by, default=1)
        self.others_wait = answer == 2
        return answer > 0

    def release_if_done(self) -> bool:
        """Release the place. Return False, and keep it, if something became due meanwhile."""
        return bool(self._eval(_RELEASE_IF_DONE, self.pool.keys, self._name, default=1))

    def hand_over(self) -> bool:
        """Release the place while calls are under way. Return False, and keep it, if it must wait.

        It waits for another process of the channel that has handed its place over.
        """
        keys = (self.pool.keys[0], self.pool.ending)
        return bool(self._eval(_HAND_OVER, keys, self._name, default=1))

    def release(self) -> None:
        """Release the place, although more may be due; the calls of its process have ended."""
        try:
            with redis_client.shared().pipeline(transaction=False) as both:
                both.zrem(self.pool.keys[0], self._name)
                both.zrem(self.pool.ending, self._name)
                both.execute()
        except redis.RedisError as error:
            logger.warning("place not released, it expires by itself: %s", error)

    def _eval(self, script: str, keys: Sequence[str], *arguments: Any, default: int) -> int:
        try:
            return int(redis_client.shared().eval(script, len(keys), *keys, *arguments))
        except redis.RedisError as error:
            logger.warning("Redis does not keep the place, going on without: %s", error)
            return default
