"""The life of one attempt, from the claim to the record. Read it from top to bottom.

Only one worker makes an attempt: the claim is one conditional UPDATE, and the number it gives
fences off whoever comes too late. The provider is called outside every database transaction. An
error that is none of the four below is a bug: it crashes loudly, and the sweep recovers the row
when its lease has run out.
"""

import logging
import time
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from . import breaker, budget, conf, limits, outcomes, suppressions
from .exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from .models import Delivery
from .models.delivery import DeliveryQuerySet
from .services.base import ChannelService
from .services.email import EmailService
from .services.sms import SMSService
from .states import Channel, DeliveryState, LogEvent, Priority

logger = logging.getLogger(__name__)


def attempt(delivery_id: UUID) -> Delivery | None:
    """Send one delivery, once, if it is due and nobody else has it.

    Returns the delivery that is due in its stead where this one ended and another stands in.
    """
    # A process that stands still for longer must not call: another may have the delivery by then.
    held_until = time.monotonic() + conf.lease().total_seconds()
    delivery = claim(delivery_id)
    if delivery is None:
        return None
    channel = Channel(delivery.channel)
    try:
        service = service_for(channel)
        message = service.compose(delivery)
        cost = service.cost(message)
        if cost is not None and not budget.reserve(delivery, cost):
            logger.info("delivery lost to its lease id=%s", delivery_id)
            return None
        slot = limits.turn(channel, Priority(delivery.priority), weight=service.weight(message))
        if slot is None:
            outcomes.given_back(delivery)
            return None
        if time.monotonic() > held_until:
            logger.warning("delivery outlived its lease id=%s", delivery_id)
            return None
        if _is_taken_away(delivery):
            logger.info("delivery settled before its call id=%s", delivery_id)
            budget.release(delivery)
            return None
        outcomes.log(delivery, LogEvent.CALLING, provider=service.provider.name)
        while not slot.kept():
            # This machine was too busy for it.
            slot = limits.turn(channel, Priority(delivery.priority), weight=service.weight(message))
            if slot is None:
                outcomes.given_back(delivery)
                return None
        receipt = service.send(message)
    except NotSendable as error:
        return outcomes.skipped(delivery, error)
    except PermanentError as error:
        _answered(delivery)
        return outcomes.refused(delivery, error)
    except ChannelUnavailableError as error:
        breaker.stop(channel, error)
        return outcomes.postponed(delivery, error)
    except TransientError as error:
        if isinstance(error, ThrottledError):
            limits.slow_down(channel)
        return outcomes.postponed(delivery, error)
    except AmbiguousError as error:
        outcomes.unknown(delivery, error)
    else:
        outcomes.accepted(delivery, receipt)
        _answered(delivery)
    return None


def claim(delivery_id: UUID) -> Delivery | None:
    """Take the delivery for this worker, or None where it is not due or another has it.

    None too where its channel is stopped, unless this is the one that tries whether it still is.
    """
    this = Delivery.objects.filter(pk=delivery_id, next_attempt_at__lte=Now())
    probing = False
    if not _take(breaker.running(this)):
        with transaction.atomic():
            probing = breaker.probe(delivery_id) and bool(_take(breaker.spared(this)))
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


def _is_taken_away(delivery: Delivery) -> bool:
    """Whether a report of the provider settled an earlier attempt while this one waited."""
    if delivery.attempts == 1:
        return False
    this_one = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)
    return not this_one.filter(state=DeliveryState.SENDING).exists()


def _answered(delivery: Delivery) -> None:
    """The provider spoke of the message, not of the account: what stopped the channel is over."""
    if delivery.probing:
        breaker.resume(Channel(delivery.channel), "a delivery was let through")


def service_for(channel: Channel) -> ChannelService[Any]:
    return EmailService() if channel == Channel.EMAIL else SMSService()
