"""The account-wide rate limit: one limiter for each channel, shared by all workers of all hosts.

It is the generic cell rate algorithm (ITU-T I.371, annex A). Redis keeps one number, the
theoretical arrival time of the next message, and one script moves it, on Redis's own clock. Idle
time gives no credit.

A worker is given its rate slots a moment ahead, several in one trip. It writes what must be written
before the calls, and makes each call at its slot's time. So neither a worker that wakes late nor a
slow database bunches the calls. A worker that is given no slot asks again, and a waiting urgent
message keeps the others back.
"""

import logging
import math
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import redis
from django.conf import settings

from apps.core import redis_client
from apps.core.states import Channel, Priority

logger = logging.getLogger(__name__)

#: Seconds for which `wait_for_slot` waits.
PATIENCE_S = 8.0
#: The share of the limit that is used. Messages take different times from their slots to the
#: provider: without some room, a second would sometimes hold one call too many.
USED = 0.98
#: Seconds by which a slot is given ahead.
LEAD_S = 0.1
#: Seconds after its slot's time by which a call may still begin.
LATE_S = 0.02
#: Seconds at most between two questions, so that a waiting message notices a faster pace.
LONGEST_NAP_S = 0.25
#: Milliseconds for which a waiting urgent message keeps the others back after its last question:
#: longer than between two questions, or the hold would lapse.
URGENT_HOLDS_MS = 1000
#: After a throttle answer the pace is halved, down to an eighth, and restored after so long.
SLOW_FOR_S = 60
SLOWEST = 8
#: Seconds for which a process keeps asking a Redis that fails, and sends nothing, before it limits
#: itself: at least a second must lie between its first call and the account's last one.
GRACE_S = 2.0
#: Seconds until a process that limits itself asks Redis again.
REST_S = 1.0
#: Seconds for which the first process that reaches Redis again holds the channel. Other processes
#: may still limit themselves, and Redis has not counted their messages.
RETURN_S = 1.0
#: Milliseconds after a throttle answer in which further ones count as the same.
ONE_ANSWER_MS = 1000

_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval = tonumber(ARGV[1]) * (tonumber(redis.call('GET', KEYS[3])) or 1)
local urgent, lead, hold = ARGV[2] == '1', tonumber(ARGV[4]), tonumber(ARGV[5])
local arrival = tonumber(redis.call('GET', KEYS[1])) or 0
if hold > 0 and redis.call('SET', KEYS[4], '1', 'PX', 5000, 'NX') then
  arrival = math.max(arrival, now + hold)
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil(hold / 1000) + 1000)
end
-- A clock that was set back must not stop the channel for as long.
if arrival - now > interval * 200 then arrival = now end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if arrival - now > lead then
  if urgent then
    redis.call('ZADD', KEYS[2], now + ARGV[3] * 1000, ARGV[6])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
  end
  return {-math.ceil(arrival - lead - now)}
end
if not urgent and redis.call('EXISTS', KEYS[2]) == 1 then return {-interval} end
local slots = {}
for i = 7, #ARGV do
  local slot = math.max(arrival, now)
  if slot - now > lead then break end
  slots[#slots + 1] = slot - now
  arrival = slot + interval * ARGV[i]
end
local life = math.ceil((arrival - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', life)
if urgent then redis.call('ZREM', KEYS[2], ARGV[6]) end
return slots
"""

_SLOW_DOWN = """
local factor = tonumber(redis.call('GET', KEYS[3])) or 1
if redis.call('SET', KEYS[5], '1', 'PX', ARGV[3], 'NX') then
  factor = math.min(factor * 2, tonumber(ARGV[2]))
end
redis.call('SET', KEYS[3], factor, 'EX', ARGV[1])
return factor
"""


class Slot(NamedTuple):
    """The time of one call, in seconds of this process's monotonic clock."""

    at: float

    @property
    def has_passed(self) -> bool:
        return time.monotonic() > self.at + LATE_S

    def wait(self) -> bool:
        """Sleep until the slot's time. Return False if the process is too late for it.

        A late call would use another message's slot, so the caller must request a new one.
        """
        time.sleep(max(0.0, self.at - time.monotonic()))
        return not self.has_passed


class Answer(NamedTuple):
    """The slots that were given, in order, and the seconds after which to ask for more."""

    slots: list[Slot]
    seconds: float


def take(
    channel: Channel, weights: Sequence[int], *, is_urgent: bool = False, waiter: str = ""
) -> Answer:
    """Return rate slots for the first of these messages, each at most LEAD_S ahead.

    A weight is what the channel's limit counts: 1 for an e-mail, the parts of a text message.
    `waiter` names who asks, so that an urgent message that waits keeps the others back.
    """
    if not _own.asks_redis():
        return _own.ask(channel, weights[0])
    interval, lead = 1_000_000 / (rate(channel) * USED), LEAD_S * 1_000_000
    hold = RETURN_S * 1_000_000 if channel in _own.has_sent else 0
    keys = _keys(channel)
    arguments = (interval, int(is_urgent), URGENT_HOLDS_MS, lead, hold, waiter, *weights)
    try:
        microseconds = redis_client.shared().eval(_TAKE, len(keys), *keys, *arguments)
    except redis.RedisError as error:
        return _own.after_failure(channel, weights[0], error)
    _own.end(channel)
    if microseconds[0] < 0:
        return Answer([], min(-microseconds[0] / 1_000_000, LONGEST_NAP_S))
    now = time.monotonic()
    slots = [Slot(now + each / 1_000_000) for each in microseconds]
    if len(slots) == len(weights):
        return Answer(slots, 0.0)
    # The next one is more than LEAD_S ahead.
    return Answer(slots, (microseconds[-1] + interval * weights[len(slots) - 1] - lead) / 1_000_000)


def wait_for_slot(channel: Channel, priority: Priority) -> Slot | None:
    """Wait for a rate slot of weight 1 and return it; return None after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    waiter = uuid4().hex
    while True:
        answer = take(channel, [1], is_urgent=goes_first(priority), waiter=waiter)
        if answer.slots:
            return answer.slots[0]
        if time.monotonic() + answer.seconds > deadline:
            return None
        time.sleep(answer.seconds)


def goes_first(priority: Priority) -> bool:
    """Return whether messages of this priority overtake the others, from claim to rate slot."""
    return priority == Priority.URGENT


def slow_down(channel: Channel) -> None:
    """Halve the pace for a while after a throttle answer, and again after a later one."""
    keys = _keys(channel)
    try:
        factor = redis_client.shared().eval(
            _SLOW_DOWN, len(keys), *keys, SLOW_FOR_S, SLOWEST, ONE_ANSWER_MS
        )
    except redis.RedisError as error:
        logger.warning("pace not slowed channel=%s: %s", channel, error)
    else:
        logger.warning("pace slowed channel=%s factor=1/%d", channel, factor)


def rate(channel: Channel) -> float:
    """Return the account's limit: e-mails, or parts of text messages, per second."""
    limits = {Channel.EMAIL: settings.EMAIL_RATE_LIMIT, Channel.SMS: settings.SMS_RATE_LIMIT}
    return float(limits[channel])


def _keys(channel: Channel) -> tuple[str, ...]:
    return tuple(
        f"rs:pace:{channel}:{name}"
        for name in ("arrival", "urgent-waiting", "slow", "back", "throttled")
    )


class _OwnLimiter:
    """The limiter of one process while Redis fails: a conservative share of the account's limit."""

    def __init__(self) -> None:
        #: The channels by which it has sent since Redis last answered about them.
        self.has_sent: set[Channel] = set()
        self._failing_since = self._failed_at = -math.inf
        self._redis_rests_until = 0.0
        self._next_at: dict[Channel, float] = {}

    def asks_redis(self) -> bool:
        return time.monotonic() >= self._redis_rests_until

    def after_failure(self, channel: Channel, weight: int, error: redis.RedisError) -> Answer:
        now = time.monotonic()
        if now - self._failed_at > REST_S + GRACE_S:
            logger.warning("no rate slot asked for, Redis failed: %s", error)
            self._failing_since = now
        self._failed_at = now
        if now - self._failing_since < GRACE_S:
            return Answer([], LONGEST_NAP_S)
        logger.warning("this process limits itself, Redis fails: %s", error)
        self._redis_rests_until = now + REST_S
        return self.ask(channel, weight)

    def ask(self, channel: Channel, weight: int) -> Answer:
        now = time.monotonic()
        wait = self._next_at.get(channel, 0.0) - now
        if wait > 0:
            return Answer([], min(wait, LONGEST_NAP_S))
        self._next_at[channel] = now + settings.RATE_LIMIT_SHARES / rate(channel) * weight
        self.has_sent.add(channel)
        return Answer([Slot(now)], 0.0)

    def end(self, channel: Channel) -> None:
        """Stop limiting the channel: Redis has answered about it."""
        self.has_sent.discard(channel)
        self._failed_at = -math.inf


_own = _OwnLimiter()
