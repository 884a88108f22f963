"""One attempt to send one delivery, from the claim to the record. Read it from top to bottom.

The claim is one conditional UPDATE, so only one worker makes an attempt, and its number fences off
a worker that comes too late. The provider is called outside every database transaction. An error
that is not handled below is a bug: it crashes loudly, and the sweep recovers the row when its lease
has run out.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.core import conf
from apps.core.channels.base import ChannelService
from apps.core.channels.email import EmailService
from apps.core.channels.sms import SMSService
from apps.core.exceptions import (
    ChannelUnavailableError,
    DeliveryError,
    NotCalled,
    NotSendable,
    PermanentError,
    ThrottledError,
)
from apps.core.guards import circuit_breaker, rate_limit, sms_budget, suppressions
from apps.core.message.decide import Decision
from apps.core.models import Delivery
from apps.core.models.suppression import SuppressionReason
from apps.core.providers.base import Acceptance
from apps.core.reasons import Verdict
from apps.core.states import Channel, DeliveryState, Priority

from . import holds, recheck, transitions, wakeups

logger = logging.getLogger(__name__)


def _do_nothing() -> None:
    """Default callback: do nothing."""


def attempt(delivery_id: UUID, *, before_call: Callable[[], None] = _do_nothing) -> Delivery | None:
    """Send one delivery, once, if it is due and no other worker has it.

    `before_call` runs when the rate slot is found, just before the call. Return the delivery that
    stands in for this one if it ended and another channel can carry the message.
    """
    this = claim(delivery_id)
    if this is None:
        logger.info("delivery not claimed id=%s", delivery_id)
        return None
    decision = recheck.recheck([this.delivery])[delivery_id]
    if decision.verdict == Verdict.HOLD:
        holds.hold(this.delivery, decision)
        _inform_guards(this, NotCalled("held", is_announced=False))
        if this.is_probe:
            wakeups.wake_dispatch()
        return None
    outcome = _outcome(this, decision, before_call)
    _inform_guards(this, outcome)
    stand_in = transitions.record_outcome(this.delivery, outcome)
    if this.is_probe and isinstance(outcome, NotSendable):
        # Another delivery can probe the channel at once.
        wakeups.wake_dispatch()
    return stand_in


@dataclass
class Lease:
    """How long this process may hold its delivery, by its own clock, from before the claim.

    A process that was stopped for longer must not call: another worker may have the delivery.
    """

    ends: float = field(default_factory=lambda: _uptime() + conf.lease().total_seconds())

    @property
    def is_over(self) -> bool:
        return _uptime() > self.ends


@dataclass
class Attempt:
    """One worker's try to send one delivery."""

    delivery: Delivery
    lease: Lease
    suppression: SuppressionReason | None
    #: It probes whether a stopped channel works again.
    is_probe: bool = False
    #: The log says that the call begins.
    is_announced: bool = False

    @property
    def number(self) -> int:
        return self.delivery.attempts

    @property
    def channel(self) -> Channel:
        return Channel(self.delivery.channel)

    def check_lease(self) -> None:
        if self.lease.is_over:
            logger.warning("lease over before the call id=%s", self.delivery.pk)
            raise NotCalled("its lease is over", is_announced=self.is_announced)


def claim(delivery_id: UUID) -> Attempt | None:
    """Claim the delivery for this worker. Return None if it is not due or another worker has it.

    Also return None if its channel is stopped and this delivery is not the probe.
    """
    lease = Lease()
    delivery, suppression = suppressions.load_due(delivery_id)
    if delivery is None:
        return None
    this = Attempt(delivery, lease, suppression)
    due = Delivery.objects.filter(
        pk=delivery_id, attempts=delivery.attempts, next_attempt_at__lte=Now()
    )
    values = {
        "attempts": delivery.attempts + 1,
        "lease_until": Now() + conf.lease(),
        "next_attempt_at": None,
        # What an attempt of unknown outcome reserved stays committed, out of this one's reach.
        "cost_usd": None,
        "cost_month": None,
    }
    if not circuit_breaker.running(due).move(DeliveryState.SENDING, **values):
        with transaction.atomic():
            this.is_probe = circuit_breaker.take_probe(delivery_id) and bool(
                circuit_breaker.spared(due).move(DeliveryState.SENDING, **values)
            )
            # A delivery that could not be claimed does not use the probe up.
            transaction.set_rollback(not this.is_probe)
        if not this.is_probe:
            return None
    delivery.state = DeliveryState.SENDING
    delivery.attempts += 1
    delivery.cost_usd = delivery.cost_month = None
    return this


def _outcome(
    this: Attempt, decision: Decision, before_call: Callable[[], None]
) -> transitions.Outcome:
    # What suppresses the address says more than that its owner withdrew their consent.
    if decision.verdict == Verdict.SKIP and not this.suppression:
        return _not_sendable(decision)
    try:
        return _send(this, service_for(this.channel), before_call)
    except (DeliveryError, NotCalled) as outcome:
        return outcome


def _send(
    this: Attempt, service: ChannelService[Any], before_call: Callable[[], None]
) -> Acceptance:
    """Compose, reserve, wait for a slot, announce and call. Raise DeliveryError or NotCalled."""
    message = service.compose(this.delivery, this.suppression)
    service.provider.check(message)
    service.provider.prepare()
    _reserve(this, service, message)
    weight = service.weight(message)
    slot = _wait_for_slot(this, weight)
    before_call()
    this.check_lease()
    _check_not_settled(this)
    if slot.has_passed:
        slot = _wait_for_slot(this, weight)
    announce(this, service.provider.name)
    while not slot.wait():
        # This machine was too slow for the slot, and another message's is next.
        slot = _wait_for_slot(this, weight)
    # Last before the call: if anything above took long, another worker may have the delivery now.
    this.check_lease()
    return service.send(message)


def announce(this: Attempt, provider: str) -> None:
    """Commit that the call begins; raise NotSendable if the matter was settled meanwhile."""
    with transaction.atomic():
        if settled := recheck.settled_meanwhile([this.delivery]):
            raise _not_sendable(settled[this.delivery.pk])
        transitions.record_calling(this.delivery, provider)
    this.is_announced = True


def _not_sendable(decision: Decision) -> NotSendable:
    return NotSendable(str(decision.reason.label), code=decision.reason)


def _reserve(this: Attempt, service: ChannelService[Any], message: Any) -> None:
    cost = service.cost(message)
    if cost is not None and not sms_budget.reserve(this.delivery, cost):
        raise NotCalled("another worker has it", is_announced=False)


def _wait_for_slot(this: Attempt, weight: int) -> rate_limit.Slot:
    priority = Priority(this.delivery.priority)
    slot = rate_limit.wait_for_slot(this.channel, priority, weight=weight)
    if slot is None:
        raise NotCalled("no rate slot in time", is_announced=this.is_announced)
    return slot


def _check_not_settled(this: Attempt) -> None:
    """Stop if an event of an earlier attempt has settled the delivery while this one waited."""
    if this.number == 1:
        return
    mine = Delivery.objects.filter(pk=this.delivery.pk, attempts=this.number)
    if not mine.filter(state=DeliveryState.SENDING).exists():
        logger.warning("settled by an event before the call id=%s", this.delivery.pk)
        raise NotCalled("an event has settled it", is_announced=False)


def _inform_guards(this: Attempt, outcome: transitions.Outcome) -> None:
    """Tell the channel's guards what the outcome says of the channel, not of the message."""
    if isinstance(outcome, ChannelUnavailableError):
        circuit_breaker.stop(this.channel, outcome)
    elif isinstance(outcome, ThrottledError):
        rate_limit.slow_down(this.channel)
    elif this.is_probe and isinstance(outcome, NotSendable | NotCalled):
        circuit_breaker.return_probe(this.channel)
    elif this.is_probe and isinstance(outcome, Acceptance | PermanentError):
        # The provider spoke of the message, so what stopped the channel is over.
        circuit_breaker.resume(this.channel, "a delivery was let through")


def service_for(channel: Channel) -> ChannelService[Any]:
    return EmailService() if channel == Channel.EMAIL else SMSService()


def _uptime() -> float:
    """Return seconds, including those for which the host was suspended.

    Linux's monotonic clock leaves these out. A virtual machine that is frozen from outside may
    count none of them by any clock of its own.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
