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

from django.db.models import F
from django.db.models.functions import Now

from . import budget, conf, limits, outcomes
from .exceptions import (
    AmbiguousError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from .models import Delivery
from .services.base import ChannelService
from .services.email import EmailService
from .services.sms import SMSService
from .states import Channel, DeliveryState, LogEvent, Priority

logger = logging.getLogger(__name__)


def attempt(delivery_id: UUID) -> Delivery | None:
    """Send one delivery, once, if it is due and nobody else has it.

    Returns the delivery that is due in its stead where this one ended and another stands in.
    """
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
        if not limits.turn(channel, Priority(delivery.priority), weight=service.weight(message)):
            outcomes.given_back(delivery)
            return None
        if time.monotonic() > held_until:
            # This process stood still for so long that another may have it by now.
            logger.warning("delivery outlived its lease id=%s", delivery_id)
            return None
        outcomes.log(delivery, LogEvent.CALLING, provider=service.provider.name)
        receipt = service.send(message)
    except NotSendable as error:
        return outcomes.skipped(delivery, error)
    except PermanentError as error:
        return outcomes.refused(delivery, error)
    except TransientError as error:
        if isinstance(error, ThrottledError):
            limits.slow_down(channel)
        return outcomes.postponed(delivery, error)
    except AmbiguousError as error:
        outcomes.unknown(delivery, error)
    else:
        outcomes.accepted(delivery, receipt)
    return None


def claim(delivery_id: UUID) -> Delivery | None:
    """Take the delivery for this worker, or None where it is not due or another has it."""
    claimed = Delivery.objects.filter(pk=delivery_id, next_attempt_at__lte=Now()).move(
        DeliveryState.SENDING,
        attempts=F("attempts") + 1,
        lease_until=Now() + conf.lease(),
        next_attempt_at=None,
        # What an attempt of unknown outcome reserved stays committed, out of this one's reach.
        cost_usd=None,
        cost_month=None,
    )
    if not claimed:
        logger.info("delivery not claimed id=%s", delivery_id)
        return None
    return Delivery.objects.select_related("notification__recipient__contact").get(pk=delivery_id)


def service_for(channel: Channel) -> ChannelService[Any]:
    return EmailService() if channel == Channel.EMAIL else SMSService()
