"""One turn of a worker: pull due deliveries of a pool and send them, until none is left.

Read `_step` from top to bottom: claim a batch, compose, reserve money, take rate slots, announce
the calls together with what was accepted meanwhile, have threads make them, record what failed.
After TURN_S the worker gives back what it has not announced, frees its place and wakes a successor,
so neither another pool nor a deploy waits for a backlog.
"""

import logging
import math
import time
from collections import deque
from decimal import Decimal
from itertools import islice
from uuid import UUID, uuid4

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from apps.core import durations
from apps.core.exceptions import (
    BudgetExhausted,
    ChannelUnavailableError,
    DeliveryError,
    NotCalled,
    NotSendable,
    PermanentError,
    ThrottledError,
)
from apps.core.guards import circuit_breaker, rate_limit, sms_budget
from apps.core.message import brand
from apps.core.message.decide import Decision
from apps.core.models import Delivery
from apps.core.providers.base import Acceptance
from apps.core.reasons import Verdict
from apps.core.states import Channel, DeliveryState, Priority

from . import giving_back, holds, outcomes, places, recheck, senders, shutdown, transitions, wakeups
from .attempt import Attempt, claim, claim_probe, service_for
from .outcomes import Outcome
from .places import Place
from .senders import Call, Missed, Result

logger = logging.getLogger(__name__)

#: Seconds for which a worker claims; then it finishes its calls and wakes a successor.
TURN_S = 5.0
#: Seconds after which a worker renews its place, and looks whether others wait for a process.
RENEW_S = 0.5
#: Seconds after which a worker that found no more looks again, once: under a steady load it then
#: finds several messages at once, and they need no wake-up.
LOOK_AGAIN_S = 0.05
#: Deliveries of one claim. SQLite lets one process write at a time, so its transactions are short.
BATCH = {"postgresql": 32, "sqlite": 8}


def handle(delivery_id: UUID, channel: Channel, priority: Priority) -> None:
    """Send what is due in the pool, unless enough processes do. The delivery is only a hint."""
    place = Place(places.pool_of(channel, priority), str(delivery_id))
    if place.hold():
        Turn(place, delivery_id).run()


class Turn:
    """What one worker has claimed, from the database to its senders and back."""

    def __init__(self, place: Place, hint: UUID) -> None:
        self._place, self._pool, self._hint = place, place.pool, hint
        self._service = service_for(self._pool.channel)
        self._senders = senders.of(self._pool.channel)
        self._claimed: deque[Attempt] = deque()
        #: Composed and paid for, without a rate slot.
        self._ready: deque[Call] = deque()
        #: Accepted and not recorded yet.
        self._accepted: list[tuple[Delivery, Acceptance]] = []
        self._waiter = uuid4().hex
        self._is_over = False
        self._has_place = True
        self._last_claimed: Delivery | None = None
        self._may_be_more = True
        now = time.monotonic()
        self._ends_at = now + TURN_S
        self._renew_at = now + RENEW_S
        self._wake_at = self._claim_at = self._slots_at = 0.0

    def run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            self._end()

    def _step(self) -> bool:
        """Do what can be done now, and wait for what comes. Return False if nothing is left."""
        calls: list[Call] = []
        if self._goes_on():
            self._claim()
            self._compose(self._senders.room)
            calls = self._take_slots()
        for call in self._announce(calls):
            self._senders.submit(call)
        if self._is_over:
            is_left = self._give_back()
            # Another process need not wait for the calls under way: one may hang.
            if self._has_place and self._senders.open and self._place.hand_over():
                self._has_place, is_left = False, True
            if is_left and not self._has_place:
                self._wake_successor()
        if self._senders.open:
            # Acceptances first: if the database fails at another result, they are not forgotten.
            results = self._senders.results(self._idle_s())
            for call, result in sorted(results, key=lambda each: not _is_acceptance(each[1])):
                self._record(call, result)
            return True
        if self._is_over:
            return False
        time.sleep(self._idle_s())
        if self._claimed or self._ready or self._may_be_more:
            return True
        self._claim_at, self._may_be_more = 0.0, True
        return not self._place.release_if_done()

    def _goes_on(self) -> bool:
        now = time.monotonic()
        if self._has_place and now >= self._renew_at:
            self._renew_at = now + RENEW_S
            # An urgent message does not wait for another pool.
            gives_way = self._place.others_wait and not self._pool.is_urgent
            self._is_over |= not self._place.hold() or gives_way
        self._is_over |= now >= self._ends_at or shutdown.is_requested()
        return not self._is_over

    def _claim(self) -> None:
        now = time.monotonic()
        if now < self._claim_at:
            return
        # A second's work by the pace and by the provider's speed, so that nothing waits in a worker
        # while another is idle.
        pace = min(rate_limit.rate(self._pool.channel) / self._pool.size, self._senders.rate)
        waiting = len(self._claimed) + len(self._ready)
        limit = min(BATCH[connection.vendor], math.ceil(pace)) - waiting
        if waiting > limit or waiting >= max(1, self._senders.room):
            return
        batch = claim(self._pool, limit)
        if not (batch or waiting) and (probe := claim_probe(self._hint)):
            batch = [probe]
        self._sort_out(batch)
        self._may_be_more = bool(batch) and (len(batch) == limit or batch[0].is_urgent)
        has_work = bool(batch or self._senders.open) and not self._may_be_more
        self._claim_at = now + LOOK_AGAIN_S if has_work else 0.0
        if batch:
            self._last_claimed = batch[-1].delivery
        if self._may_be_more and now >= self._wake_at:
            self._wake_at = now + RENEW_S
            wakeups.wake_another(self._pool, batch[-1].delivery)

    def _sort_out(self, batch: list[Attempt]) -> None:
        """Ask once more whether what was claimed may leave; hold or skip the others."""
        decisions = _decisions(batch)
        for this in batch:
            decision = decisions.get(this.delivery.pk)
            if decision is None:
                _leave(this)
                continue
            # What suppresses the address says more than that its owner withdrew their consent.
            if decision.verdict == Verdict.SEND or (this.suppression and not decision.held_for):
                self._claimed.append(this)
            elif decision.verdict == Verdict.SKIP:
                self._end_attempt(this, _not_sendable(decision))
            else:
                holds.hold(this.delivery, decision)
                _inform_guards(this, NotCalled("held", is_announced=False))
                if this.is_probe:
                    wakeups.wake_dispatch()
        if self._claimed:
            # Known before composing: one statement for all, and not one for each message.
            brand.of(this.delivery.notification.recipient_id for this in self._claimed)

    def _compose(self, count: int) -> None:
        """Have up to `count` messages ready: composed, encoded, and their money reserved."""
        composed: list[tuple[Call, Decimal | None]] = []
        while self._claimed and len(self._ready) + len(composed) < count:
            this = self._claimed.popleft()
            try:
                message = self._service.compose(this.delivery, this.suppression)
                encoded = self._service.provider.encode(message)
                cost, weight = self._service.cost(message), self._service.weight(message)
            except DeliveryError as outcome:
                self._end_attempt(this, outcome)
            except SoftTimeLimitExceeded:
                raise
            except Exception:
                # A bug. The other messages go on.
                logger.exception("delivery not composed id=%s", this.delivery.pk)
                _leave(this)
            else:
                if cost is not None:
                    this.delivery.parts = weight
                composed.append((Call(this, self._service.provider, encoded, weight), cost))
        costs = [(call.attempt.delivery, cost) for call, cost in composed if cost is not None]
        if not costs or sms_budget.reserve_all(costs):
            self._ready.extend(call for call, _ in composed)
            return
        for call, cost in composed:
            assert cost is not None
            self._reserve(call, cost)

    def _reserve(self, call: Call, cost: Decimal) -> None:
        try:
            if sms_budget.reserve(call.attempt.delivery, cost):
                self._ready.append(call)
            else:
                _leave(call.attempt)
        except BudgetExhausted as outcome:
            self._end_attempt(call.attempt, outcome)

    def _take_slots(self) -> list[Call]:
        """Return the calls that may be made within the next moment, with their rate slots."""
        weights = [call.weight for call in islice(self._ready, max(0, self._senders.room))]
        if not weights or time.monotonic() < self._slots_at:
            return []
        answer = rate_limit.take(
            self._pool.channel,
            weights,
            is_urgent=self._ready[0].attempt.is_urgent,
            waiter=self._waiter,
        )
        self._slots_at = time.monotonic() + answer.seconds
        calls = [self._ready.popleft() for _ in answer.slots]
        for call, slot in zip(calls, answer.slots, strict=True):
            call.slot = slot
        return calls

    def _announce(self, calls: list[Call]) -> list[Call]:
        """Commit that these calls begin and which ended; return the calls that are still wanted."""
        if not calls and not self._accepted:
            return []
        settled = _settled([call.attempt for call in calls])
        for call in calls:
            if call.attempt.delivery.pk in settled:
                self._end_attempt(call.attempt, NotCalled("settled", is_announced=False))
        calls = [call for call in calls if call.attempt.delivery.pk not in settled]
        fresh = [call.attempt for call in calls if not call.attempt.is_announced]
        with transaction.atomic():
            stale = recheck.settled_meanwhile([this.delivery for this in fresh])
            fresh = [this for this in fresh if this.delivery.pk not in stale]
            transitions.record_calls(
                [this.delivery for this in fresh], self._service.provider.name, self._accepted
            )
        self._accepted = []
        for this in fresh:
            this.is_announced = True
        for call in calls:
            if not call.attempt.is_announced:
                self._end_attempt(call.attempt, _not_sendable(stale[call.attempt.delivery.pk]))
        return [call for call in calls if call.attempt.is_announced]

    def _record(self, call: Call, result: Result) -> None:
        _observe(call, result)
        if isinstance(result, Missed):
            self._ready.appendleft(call)
        elif isinstance(result, Outcome):
            self._end_attempt(call.attempt, result)
        else:
            # A bug. The other calls go on, and the sweep finds this one's outcome unknown.
            logger.error("a call failed id=%s", call.attempt.delivery.pk, exc_info=result)

    def _end_attempt(self, this: Attempt, outcome: Outcome) -> None:
        row = this.delivery
        with bound_contextvars(delivery_id=row.pk, notification_id=row.notification_id):
            self._write_down(this, outcome)

    def _write_down(self, this: Attempt, outcome: Outcome) -> None:
        _inform_guards(this, outcome)
        if isinstance(outcome, DeliveryError):
            logger.info("delivery not accepted: %s code=%s", type(outcome).__name__, outcome.code)
        if isinstance(outcome, Acceptance):
            self._accepted.append((this.delivery, outcome))
        elif stand_in := outcomes.record_outcome(this.delivery, outcome):
            wakeups.wake([stand_in])
        if isinstance(outcome, ChannelUnavailableError):
            # What is claimed would only be refused as well.
            self._is_over = True
        elif this.is_probe:
            # The channel runs again for every pool, or another delivery can probe it at once.
            wakeups.wake_dispatch()

    def _end(self) -> None:
        try:
            if connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()
            self._announce([])
        finally:
            try:
                is_left = self._give_back() or self._has_place
            finally:
                self._place.release()
                durations.flush()
        if is_left:
            self._wake_successor()

    def _give_back(self) -> bool:
        """Give back what was not called; return whether there was something."""
        waiting = [*(call.attempt for call in self._ready), *self._claimed]
        for this in waiting:
            if this.is_announced:
                late = NotCalled("no rate slot in time", is_announced=True)
                self._end_attempt(this, late)
            elif this.is_probe:
                circuit_breaker.return_probe(this.channel)
        giving_back.give_back([this.delivery for this in waiting if not this.is_announced])
        self._ready.clear()
        self._claimed.clear()
        return bool(waiting)

    def _wake_successor(self) -> None:
        """Have another process go on, unless this one left because nothing was due."""
        if self._is_over and self._last_claimed:
            wakeups.wake_another(self._pool, self._last_claimed)

    def _idle_s(self) -> float:
        """Return how long to wait for a result, in seconds."""
        if self._is_over or self._senders.room <= 0:
            return RENEW_S
        begin_at = self._slots_at if self._claimed or self._ready else self._claim_at
        return max(0.0, min(begin_at, self._renew_at) - time.monotonic())


def _decisions(batch: list[Attempt]) -> dict[UUID, Decision]:
    """Ask about all at once; if that fails, about each, and leave out those that fail.

    One delivery, as of a kind that the code no longer has, must not hold up its batch. The sweep
    recovers its row.
    """
    try:
        return recheck.recheck([this.delivery for this in batch])
    except (SoftTimeLimitExceeded, DatabaseError):
        raise
    except Exception:
        if len(batch) == 1:
            logger.exception("delivery not decided about id=%s", batch[0].delivery.pk)
            return {}
    return {pk: found for this in batch for pk, found in _decisions([this]).items()}


def _leave(this: Attempt) -> None:
    """Leave the row to the sweep, which recovers it when its lease has run out."""
    # It did not ask the provider.
    _inform_guards(this, NotCalled("left to the sweep", is_announced=False))


def _not_sendable(decision: Decision) -> NotSendable:
    return NotSendable(str(decision.reason.label), code=decision.reason)


def _settled(attempts: list[Attempt]) -> set[UUID]:
    """Return those that an event of an earlier attempt has settled since the claim."""
    again = {this.delivery.pk: this.delivery.attempts for this in attempts if not this.is_first}
    if not again:
        return set()
    held = Delivery.objects.filter(pk__in=again, state=DeliveryState.SENDING)
    still = {pk for pk, number in held.values_list("pk", "attempts") if number == again[pk]}
    return again.keys() - still


def _inform_guards(this: Attempt, outcome: Outcome) -> None:
    """Tell the channel's guards what the outcome says of the channel, not of the message."""
    channel = this.channel
    if isinstance(outcome, ChannelUnavailableError):
        circuit_breaker.stop(channel, outcome)
    elif isinstance(outcome, ThrottledError):
        rate_limit.slow_down(channel)
    elif this.is_probe and isinstance(outcome, NotSendable | NotCalled):
        circuit_breaker.return_probe(channel)
    elif this.is_probe and isinstance(outcome, Acceptance | PermanentError):
        # The provider spoke of the message, so what stopped the channel is over.
        circuit_breaker.resume(channel, "a delivery was let through")


def _observe(call: Call, result: Result) -> None:
    """Count how long the call, its attempt and, if it was accepted, the message itself took."""
    channel = call.attempt.channel
    if call.began_at:
        durations.observe("call", channel, call.ended_at - call.began_at)
        durations.observe("attempt", channel, call.attempt.lease.age_s)
    if isinstance(result, Acceptance):
        waited = timezone.now() - call.attempt.delivery.due_at
        durations.observe("wait", channel, waited.total_seconds())


def _is_acceptance(result: Result) -> bool:
    return isinstance(result, Acceptance)
