"""Sweeps: find due deliveries that no worker pulls, and settle those whose worker was lost.

The rows are the queue. Any number of sweeps may run at once: each move is a conditional UPDATE, and
a wake-up too many is harmless.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from apps.core.guards import circuit_breaker
from apps.core.message import routing
from apps.core.models import ChannelStop, Delivery, NotificationDeliveryLog
from apps.core.models.channel_stop import StopCause
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.states import Channel, DeliveryState, LogEvent, Priority

from . import outcomes, stand_ins
from .attempt import ready
from .places import POOLS, Pool

logger = logging.getLogger(__name__)

#: Rows that one sweep settles at most.
WINDOW = 2000
#: How long a delivery waits for a stopped channel before the fallback channel takes over.
HELD = timedelta(minutes=2)


def due() -> list[Delivery]:
    """Return one delivery for each pool that has work, after settling what lost workers held.

    A stopped channel whose probe is due has work: the delivery that probes it.
    """
    # Chosen before the hand-over, which must not take them.
    probes = _probes()
    stand_ins = [*_expire_leases(), *_settle_unknown(), *_hand_over(probes)]
    return [*probes, *stand_ins, *(row for pool in POOLS if (row := _first(pool)))]


def retry() -> int:
    """Make due again what was refused for now and has waited out a back-off of minutes.

    Return how many rows. `due` wakes their workers, at the pace that the broker takes.
    """
    waiting = Delivery.objects.filter(state=DeliveryState.RETRYING, next_attempt_at__lte=Now())
    return waiting.move(DeliveryState.DUE)


def _expire_leases() -> Iterator[Delivery]:
    called = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("pk"), attempt=OuterRef("attempts"), event=LogEvent.CALLING
    )
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=Now())
    for delivery in expired.annotate(called=Exists(called)).order_by("lease_until")[:WINDOW]:
        yield from _settle(delivery, partial(outcomes.record_lost_worker, called=delivery.called))


def _settle_unknown() -> Iterator[Delivery]:
    overdue = Delivery.objects.filter(state=DeliveryState.UNKNOWN, next_attempt_at__lte=Now())
    for delivery in overdue.order_by("next_attempt_at")[:WINDOW]:
        yield from _settle(delivery, outcomes.settle_unknown)


def _settle(delivery: Delivery, move: Callable[[Delivery], Delivery | None]) -> Iterator[Delivery]:
    """Yield the row's stand-in, if it has one. A row that fails must not stop the others."""
    try:
        stand_in = move(delivery)
    except DatabaseError:
        logger.exception("delivery not swept id=%s", delivery.pk)
        return
    if stand_in:
        yield stand_in


def _probes() -> list[Delivery]:
    """Return, for each stopped channel whose probe is due, the delivery that has waited longest."""
    channels = ChannelStop.objects.filter(probe_at__lte=Now()).values_list("channel", flat=True)
    waiting = (circuit_breaker.spared(_ready(channel)).first() for channel in channels)
    return [row for row in waiting if row]


def _hand_over(probes: list[Delivery]) -> Iterator[Delivery]:
    """Skip what has waited HELD for a stopped channel, if another can carry it; yield stand-ins."""
    for stop in ChannelStop.objects.filter(cause=StopCause.PROVIDER, since__lt=Now() - HELD):
        replaceable = [p for p in Priority if routing.fallback(p) not in (None, stop.channel)]
        reason = f"{stop.get_channel_display().lower()}s are stopped: {stop.reason}"[:300]
        held = _ready(stop.channel).filter(priority__in=replaceable)
        for delivery in held.exclude(pk__in=[row.pk for row in probes])[:WINDOW]:
            yield from _settle(delivery, partial(stand_ins.hand_over, reason=reason))


def _first(pool: Pool) -> Delivery | None:
    rows = circuit_breaker.running(ready(pool))
    if not pool.is_urgent:
        # An urgent one would wake the other pool.
        rows = rows.exclude(priority=Priority.URGENT)
    return rows.order_by("priority", "next_attempt_at").first()


def _ready(channel: str) -> DeliveryQuerySet:
    return ready(Pool(Channel(channel), is_urgent=False)).order_by("next_attempt_at")
