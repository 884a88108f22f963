"""Sweeps: find due deliveries that no worker has, and settle those whose worker was lost.

The rows are the queue. Any number of sweeps may run at once: each move is a conditional UPDATE, and
waking a worker twice for one delivery is harmless.
"""

import logging
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from apps.core.guards import circuit_breaker
from apps.core.message import routing
from apps.core.models import ChannelStop, Delivery, NotificationDeliveryLog
from apps.core.models.channel_stop import StopCause
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.states import Channel, DeliveryState, LogEvent, Priority

from . import broker, transitions, waiting_slots
from .waiting_slots import Pool

logger = logging.getLogger(__name__)

#: Wake-ups that may wait in the broker at one priority before the sweep adds no more.
WINDOW = 2000
#: How old a wake-up may become before the sweep takes it for lost.
PATIENCE = timedelta(seconds=10)
#: The same while other wake-ups of its priority wait in the broker before it.
BUSY_PATIENCE = timedelta(minutes=5)
#: How long a delivery waits for a stopped channel before the fallback channel takes over.
HELD = timedelta(minutes=2)
CHUNK = 500
#: For each free slot, how many of the first deliveries the next one is picked from.
CANDIDATES = 8


def due() -> list[Delivery]:
    """Return the deliveries for which to wake a worker now, most urgent and oldest first.

    First settle what a lost worker held and what is overdue as unknown. A backlog stays in the
    database: the broker gets no more than WINDOW wake-ups at each priority.
    """
    # Chosen before the hand-over, which must leave them: they probe their channel.
    probes = _probes()
    stand_ins = [*_expire_leases(), *_settle_unknown(), *_hand_over(probes)]
    waiting = broker.waiting()
    rows = [row for priority in Priority for row in _due(priority, waiting[priority])]
    rows += probes
    _mark_enqueued(rows)
    return stand_ins + rows


def next_in(pool: Pool, count: int) -> list[Delivery]:
    """Return up to `count` deliveries of the pool's backlog, of its most urgent priority.

    They are picked from the first few, so that two workers seldom wake the same one.
    """
    if not count:
        return []
    ready = circuit_breaker.running(_ready()).filter(
        channel=pool.channel, priority__in=pool.priorities
    )
    first = list(ready.order_by("priority", "next_attempt_at")[: count * CANDIDATES])
    alike = [row for row in first if row.priority == first[0].priority]
    return random.sample(alike, min(count, len(alike)))


def retry() -> int:
    """Make due again what was refused for now and has waited out a back-off of minutes.

    Return how many rows. `due` wakes their workers, at the pace that the broker takes.
    """
    waiting = Delivery.objects.filter(state=DeliveryState.RETRYING, next_attempt_at__lte=Now())
    return waiting.move(DeliveryState.DUE, enqueued_at=None)


def _expire_leases() -> Iterator[Delivery]:
    called = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("pk"), attempt=OuterRef("attempts"), event=LogEvent.CALLING
    )
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=Now())
    for delivery in expired.annotate(called=Exists(called)).order_by("lease_until")[:WINDOW]:
        yield from _settle(
            delivery, partial(transitions.record_lost_worker, called=delivery.called)
        )


def _settle_unknown() -> Iterator[Delivery]:
    overdue = Delivery.objects.filter(state=DeliveryState.UNKNOWN, next_attempt_at__lte=Now())
    for delivery in overdue.order_by("next_attempt_at")[:WINDOW]:
        yield from _settle(delivery, transitions.settle_unknown)


def _settle(delivery: Delivery, move: Callable[[Delivery], Delivery | None]) -> Iterator[Delivery]:
    """Yield the row's stand-in, if it has one. A row that fails must not stop the others."""
    try:
        stand_in = move(delivery)
    except DatabaseError:
        logger.exception("delivery not swept id=%s", delivery.pk)
        return
    if stand_in:
        yield stand_in


def _due(priority: Priority, waiting: int) -> list[Delivery]:
    # While wake-ups wait in the broker, workers are busy: an old wake-up is not a lost one.
    patience = BUSY_PATIENCE if waiting else PATIENCE
    moving, stranded = _backlogs(priority)
    lost = Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - patience) | Q(channel__in=stranded)
    return list(
        circuit_breaker.running(_ready())
        .filter(lost, priority=priority)
        .exclude(channel__in=moving)
        .order_by(F("enqueued_at").asc(nulls_first=True), "next_attempt_at")[
            : max(0, WINDOW - waiting)
        ]
    )


def _backlogs(priority: Priority) -> tuple[list[Channel], list[Channel]]:
    """Return the channels with a backlog that workers are on, and those whose workers are gone."""
    found = {channel: waiting_slots.pool_of(channel, priority).look() for channel in Channel}
    moving = [channel for channel, pool in found.items() if pool.is_moving]
    stranded = [
        channel for channel, pool in found.items() if pool.has_backlog and not pool.is_moving
    ]
    return moving, stranded


def _ready() -> DeliveryQuerySet:
    return Delivery.objects.filter(state=DeliveryState.DUE, next_attempt_at__lte=Now())


def _probes() -> list[Delivery]:
    """Return, for each stopped channel whose probe is due, the delivery that has waited longest."""
    channels = ChannelStop.objects.filter(probe_at__lte=Now()).values_list("channel", flat=True)
    ready = circuit_breaker.spared(_ready()).order_by("next_attempt_at")
    waiting = (ready.filter(channel=channel).first() for channel in channels)
    return [row for row in waiting if row]


def _hand_over(probes: list[Delivery]) -> Iterator[Delivery]:
    """Skip what has waited HELD for a stopped channel, if another can carry it; yield stand-ins."""
    for stop in ChannelStop.objects.filter(cause=StopCause.PROVIDER, since__lt=Now() - HELD):
        replaceable = [p for p in Priority if routing.fallback(p) not in (None, stop.channel)]
        reason = f"{stop.get_channel_display().lower()}s are stopped: {stop.reason}"[:300]
        held = _ready().filter(channel=stop.channel, priority__in=replaceable)
        for delivery in held.exclude(pk__in=[row.pk for row in probes])[:WINDOW]:
            yield from _settle(delivery, partial(transitions.hand_over, reason=reason))


def _mark_enqueued(rows: list[Delivery]) -> None:
    for chunk in _chunks([row.pk for row in rows]):
        Delivery.objects.filter(pk__in=chunk, state=DeliveryState.DUE).update(enqueued_at=Now())


def _chunks(items: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
