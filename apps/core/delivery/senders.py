"""The threads of a process that call one channel's provider, each over its own connection.

A call takes 20 to 100 ms, so a process that makes one at a time sends 10 to 50 messages a second.
The threads use neither the database nor Redis: the main thread composes and records.
"""

import logging
import os
import threading
import time
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings

from apps.core.exceptions import AmbiguousError, DeliveryError, NotCalled
from apps.core.guards.rate_limit import Slot
from apps.core.providers.base import Acceptance, Provider
from apps.core.states import Channel

from .attempt import Attempt

logger = logging.getLogger(__name__)

#: Calls that one transaction announces, at most.
GROUP = 32
#: Seconds of work that waits for the threads, so that they need not wait for it. Less than a rate
#: slot is good for.
AHEAD_S = 0.015
#: Results that are recorded together at once, and seconds after which fewer are.
ENOUGH, LINGER_S = 16, 0.01
#: Seconds after which a call hangs: more than the time-outs of every provider.
CALL_S = 28.0
NO_SLOT = Slot(0.0)


@dataclass(eq=False)
class Call:
    """One call of the provider: an attempt, its encoded message, and when to make it."""

    attempt: Attempt
    provider: Provider[Any]
    encoded: Any
    weight: int
    slot: Slot = NO_SLOT
    #: When a thread took it, and when it began and ended, by the monotonic clock.
    taken_at: float = 0.0
    began_at: float = 0.0
    ended_at: float = 0.0


class Missed:
    """The thread came too late for the rate slot, so it did not call."""


Result = Acceptance | DeliveryError | NotCalled | Missed | BaseException


class Senders:
    """A channel's threads in this process, and the calls under way."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._started = 0
        self._waiting: SimpleQueue[Call] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Call, Result]] = SimpleQueue()
        #: Seconds that a call takes, as a moving average.
        self._call_s = 0.001
        #: Announced calls without a result.
        self.open: set[Call] = set()

    @property
    def room(self) -> int:
        """Return how many calls to announce now: those that threads begin within AHEAD_S."""
        ahead = min(GROUP, round(self._size * AHEAD_S / self._call_s))
        return min(GROUP, self._size + ahead - len(self.open))

    @property
    def rate(self) -> float:
        """Return how many calls the threads make in a second."""
        return self._size / self._call_s

    def submit(self, call: Call) -> None:
        """Have a thread make the call at its slot's time."""
        self.open.add(call)
        self._waiting.put(call)
        if self._started < min(self._size, len(self.open)):
            self._start_thread()

    def results(self, timeout_s: float) -> list[tuple[Call, Result]]:
        """Wait for a result; return it and those that come within LINGER_S. There may be none."""
        found: list[tuple[Call, Result]] = []
        until = time.monotonic() + timeout_s
        while len(found) < ENOUGH and (self.open or not found):
            try:
                call, result = self._ended.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if not found:
                until = time.monotonic() + LINGER_S
            if call.began_at:
                self._call_s += 0.1 * (call.ended_at - call.began_at - self._call_s)
            self.open.discard(call)
            found.append((call, result))
        return found or self._hanging()

    def _hanging(self) -> list[tuple[Call, Result]]:
        long_ago = time.monotonic() - CALL_S
        calls = [call for call in self.open if 0 < call.taken_at < long_ago]
        for call in calls:
            logger.error("a call hangs, its thread is replaced id=%s", call.attempt.delivery.pk)
            self.open.discard(call)
            self._start_thread()
        return [(call, AmbiguousError("no answer in time")) for call in calls]

    def _start_thread(self) -> None:
        self._started += 1
        threading.Thread(target=self._work, name=f"sender-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while True:
            call = self._waiting.get()
            call.taken_at = time.monotonic()
            result = _make(call)
            call.ended_at = time.monotonic()
            self._ended.put((call, result))
            if call.ended_at - call.taken_at > CALL_S:
                # Another thread has replaced this one.
                return


def _make(call: Call) -> Result:
    try:
        if not call.slot.wait():
            return Missed()
        # Last before the call: if anything above took long, another worker may have the delivery.
        call.attempt.check_lease()
        call.began_at = time.monotonic()
        return call.provider.send(call.encoded)
    except BaseException as error:
        # Also a bug: the main thread reports it, and the other calls go on.
        return error


@cache
def of(channel: Channel) -> Senders:
    """Return this process's senders for the channel."""
    sizes = {Channel.EMAIL: settings.EMAIL_CONNECTIONS, Channel.SMS: settings.SMS_CONNECTIONS}
    return Senders(sizes[channel])


# Threads do not survive a fork.
os.register_at_fork(after_in_child=of.cache_clear)
