"""The life of one attempt, from the claim to the record. Read it from top to bottom.

Only one worker makes an attempt: the claim is one conditional UPDATE, and the number it gives
fences off whoever comes too late. The provider is called outside every database transaction. An
error that is none of those below is a bug: it crashes loudly, and the sweep recovers the row
when its lease has run out.
"""

import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.core import conf
from apps.core.channels.base import ChannelService
from apps.core.channels.email import EmailService
from apps.core.channels.sms import SMSService
from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.guards import circuit_breaker, rate_limit, sms_budget, suppressions
from apps.core.models import Delivery
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.providers.base import Receipt
from apps.core.states import Channel, DeliveryState, LogEvent, Priority

from . import transitions

logger = logging.getLogger(__name__)


def _nothing() -> None:
    """What is done where nobody waits for anything."""


def attempt(delivery_id: UUID, *, before_call: Callable[[], None] = _nothing) -> Delivery | None:
    """Send one delivery, once, if it is due and nobody else has it.

    `before_call` is called a moment before the call, when nobody is kept waiting any more. Returns
    the delivery that is due in its stead where this one ended and another stands in.
    """
    lease = Lease()
    delivery = claim(delivery_id)
    if delivery is None:
        return None
    channel = Channel(delivery.channel)
    try:
        receipt = _send(delivery, service_for(channel), lease, before_call)
    except Lost as loss:
        logger.warning("delivery lost id=%s: %s", delivery_id, loss)
    except NoTurn:
        transitions.given_back(delivery)
    except NotSendable as error:
        return transitions.skipped(delivery, error)
    except PermanentError as error:
        _answered(delivery)
        return transitions.refused(delivery, error)
    except ChannelUnavailableError as error:
        circuit_breaker.stop(channel, error)
        return transitions.postponed(delivery, error)
    except TransientError as error:
        if isinstance(error, ThrottledError):
            rate_limit.slow_down(channel)
        return transitions.postponed(delivery, error)
    except AmbiguousError as error:
        transitions.unknown(delivery, error)
    else:
        transitions.accepted(delivery, receipt)
        _answered(delivery)
    return None


def _send(
    delivery: Delivery,
    service: ChannelService[Any],
    lease: "Lease",
    before_call: Callable[[], None],
) -> Receipt:
    """From the words to the provider's answer; whatever else comes of it is raised."""
    message = service.compose(delivery)
    service.provider.prepare()
    _reserve(delivery, service.cost(message))
    slot = _turn(delivery, service.weight(message))
    before_call()
    lease.check()
    _check_not_settled(delivery)
    transitions.log(delivery, LogEvent.CALLING, provider=service.provider.name)
    while not slot.kept():
        # This machine was too busy for it.
        slot = _turn(delivery, service.weight(message))
        lease.check()
    return service.send(message)


class Lost(Exception):
    """The delivery is no longer this worker's; the text says to whom it went."""


class NoTurn(Exception):
    """The account's pace has no slot for it soon enough."""


class Lease:
    """How long this process may hold its delivery, by its own clock, from before the claim.

    A process that stands still for longer must not call: another may have the delivery by then.
    """

    def __init__(self) -> None:
        self._ends = _uptime() + conf.lease().total_seconds()

    def check(self) -> None:
        if _uptime() > self._ends:
            raise Lost("its lease is over")


def _uptime() -> float:
    """Seconds, those too in which the host was suspended: Linux's monotonic clock leaves them out.

    A virtual machine that is frozen from outside may count none of them, by any clock of its own.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def claim(delivery_id: UUID) -> Delivery | None:
    """Take the delivery for this worker, or None where it is not due or another has it.

    None too where its channel is stopped, unless this is the one that tries whether it still is.
    """
    this = Delivery.objects.filter(pk=delivery_id, next_attempt_at__lte=Now())
    probing = False
    if not _take(circuit_breaker.running(this)):
        with transaction.atomic():
            probing = circuit_breaker.probe(delivery_id) and bool(
                _take(circuit_breaker.spared(this))
            )
            # A turn to try is not used up by a delivery that could not be had.
            transaction.set_rollback(not probing)
        if not probing:
            logger.info("delivery not claimed id=%s", delivery_id)
            return None
    delivery = suppressions.for_attempt(delivery_id)
    delivery.probing = probing
    return delivery


def _take(this: DeliveryQuerySet) -> int:
    return this.move(
        DeliveryState.SENDING,
        attempts=F("attempts") + 1,
        lease_until=Now() + conf.lease(),
        next_attempt_at=None,
        # What an attempt of unknown outcome reserved stays committed, out of this one's reach.
        cost_usd=None,
        cost_month=None,
    )


def _reserve(delivery: Delivery, cost: Decimal | None) -> None:
    if cost is not None and not sms_budget.reserve(delivery, cost):
        raise Lost("its lease is over")


def _turn(delivery: Delivery, weight: int) -> rate_limit.Slot:
    slot = rate_limit.turn(Channel(delivery.channel), Priority(delivery.priority), weight=weight)
    if slot is None:
        raise NoTurn
    return slot


def _check_not_settled(delivery: Delivery) -> None:
    """A report of the provider may have settled an earlier attempt while this one waited."""
    if delivery.attempts == 1:
        return
    this_one = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)
    if not this_one.filter(state=DeliveryState.SENDING).exists():
        sms_budget.release(delivery)
        raise Lost("a report has settled it")


def _answered(delivery: Delivery) -> None:
    """The provider spoke of the message, not of the account: what stopped the channel is over."""
    if delivery.probing:
        circuit_breaker.resume(Channel(delivery.channel), "a delivery was let through")


def service_for(channel: Channel) -> ChannelService[Any]:
    return EmailService() if channel == Channel.EMAIL else SMSService()
