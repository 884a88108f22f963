"""What finds the work that nobody is doing: the rows are the queue, and these read them.

Any number of them may run at once. Each move is a conditional UPDATE, and waking a worker twice
for one delivery is harmless.
"""

import logging
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.core import conf
from apps.core.guards import circuit_breaker
from apps.core.message import routing
from apps.core.models import ChannelStop, Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.models.channel_stop import StopCause
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.states import FINISHED, Channel, DeliveryState, LogEvent, Priority

from . import broker, transitions, waiting_slots
from .waiting_slots import Line

logger = logging.getLogger(__name__)

#: Wake-ups that may wait in the broker at one priority before the sweep adds no more.
WINDOW = 2000
#: How long a wake-up is given before the sweep takes it for lost; longer while others wait in the
#: broker before it.
PATIENCE = timedelta(seconds=10)
BUSY_PATIENCE = timedelta(minutes=5)
#: How long a delivery waits for a stopped channel before another stands in, where one can.
HELD = timedelta(minutes=2)
CHUNK = 500
#: Among how many, for each place, the next one in a line is picked.
FEW = 8


def due() -> list[Delivery]:
    """The deliveries for which a worker is to be woken now, most urgent and oldest first.

    Recovers first what a lost worker held and what nobody knew the outcome of. A backlog stays
    in the database: the broker gets no more than WINDOW wake-ups at each priority.
    """
    # Before any are handed over: the one that tries the channel again must be left.
    probes = _probes()
    stand_ins = [*_expire_leases(), *_settle_unknown(), *_hand_over(probes)]
    waiting = broker.waiting()
    rows = [row for priority in Priority for row in _due(priority, waiting[priority])]
    rows += probes
    _mark_enqueued(rows)
    return stand_ins + rows


def next_in(line: Line, places: int) -> list[Delivery]:
    """So many of those that are due and stand first in a line that is behind.

    Any of the first few, so that two who look at once seldom wake a worker for the same.
    """
    if not places:
        return []
    ready = circuit_breaker.running(_ready()).filter(
        channel=line.channel, priority__in=line.priorities
    )
    first = list(ready.order_by("priority", "next_attempt_at")[: places * FEW])
    alike = [row for row in first if row.priority == first[0].priority]
    return random.sample(alike, min(places, len(alike)))


def retry() -> int:
    """Make due again what was refused for now and has waited out a back-off of minutes.

    Returns how many those are; `due` wakes workers for them, at the pace that the broker takes.
    """
    waiting = Delivery.objects.filter(state=DeliveryState.RETRYING, next_attempt_at__lte=Now())
    return waiting.move(DeliveryState.DUE, enqueued_at=None)


def cleanup_logs() -> int:
    """Delete the log of deliveries that finished before the retention; returns how many lines.

    With it go the providers' events of that age.

    In chunks, so that no transaction is long. A delivery that is not finished keeps every line.
    """
    old = NotificationDeliveryLog.objects.filter(
        delivery__state__in=FINISHED,
        delivery__finished_at__lt=Now() - conf.log_retention(),
    )
    reported = ProviderEvent.objects.filter(received_at__lt=Now() - conf.log_retention())
    _delete(reported)
    return _delete(old)


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:CHUNK]):
        deleted += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return deleted


def _expire_leases() -> Iterator[Delivery]:
    called = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("pk"), attempt=OuterRef("attempts"), event=LogEvent.CALLING
    )
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=Now())
    for delivery in expired.annotate(called=Exists(called)).order_by("lease_until")[:WINDOW]:
        yield from _each(delivery, partial(transitions.record_lost_worker, called=delivery.called))


def _settle_unknown() -> Iterator[Delivery]:
    overdue = Delivery.objects.filter(state=DeliveryState.UNKNOWN, next_attempt_at__lte=Now())
    for delivery in overdue.order_by("next_attempt_at")[:WINDOW]:
        yield from _each(delivery, transitions.settle_unknown)


def _each(delivery: Delivery, settle: Callable[[Delivery], Delivery | None]) -> Iterator[Delivery]:
    """The stand-in of one row, if it has one. A row that fails must not stop the others."""
    try:
        stand_in = settle(delivery)
    except DatabaseError:
        logger.exception("delivery not swept id=%s", delivery.pk)
        return
    if stand_in:
        yield stand_in


def _due(priority: Priority, waiting: int) -> list[Delivery]:
    # While wake-ups wait, they are being worked off: a row that had one is not taken for lost.
    patience = BUSY_PATIENCE if waiting else PATIENCE
    left_to_others, left_alone = _lines(priority)
    lost = Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - patience) | Q(channel__in=left_alone)
    return list(
        circuit_breaker.running(_ready())
        .filter(lost, priority=priority)
        .exclude(channel__in=left_to_others)
        .order_by(F("enqueued_at").asc(nulls_first=True), "next_attempt_at")[
            : max(0, WINDOW - waiting)
        ]
    )


def _lines(priority: Priority) -> tuple[list[Channel], list[Channel]]:
    """The channels whose line at this priority is behind: those in which somebody waits, who will
    see to the rows, and those of which nobody is left.
    """
    found = {channel: waiting_slots.line_of(channel, priority).look() for channel in Channel}
    moving = [channel for channel, line in found.items() if line.is_moving]
    alone = [channel for channel, line in found.items() if line.is_behind and not line.is_moving]
    return moving, alone


def _ready() -> DeliveryQuerySet:
    return Delivery.objects.filter(state=DeliveryState.DUE, next_attempt_at__lte=Now())


def _probes() -> list[Delivery]:
    """For each stopped channel whose time has come, the delivery that has waited longest."""
    channels = ChannelStop.objects.filter(probe_at__lte=Now()).values_list("channel", flat=True)
    ready = circuit_breaker.spared(_ready()).order_by("next_attempt_at")
    waiting = (ready.filter(channel=channel).first() for channel in channels)
    return [row for row in waiting if row]


def _hand_over(probes: list[Delivery]) -> Iterator[Delivery]:
    """What rests on a channel that has stood still for long goes by the one that stands in."""
    for stop in ChannelStop.objects.filter(cause=StopCause.PROVIDER, since__lt=Now() - HELD):
        resting = [p for p in Priority if routing.fallback(p) not in (None, stop.channel)]
        reason = f"{stop.get_channel_display().lower()}s are stopped: {stop.reason}"[:300]
        held = _ready().filter(channel=stop.channel, priority__in=resting)
        for delivery in held.exclude(pk__in=[row.pk for row in probes])[:WINDOW]:
            yield from _each(delivery, partial(transitions.hand_over, reason=reason))


def _mark_enqueued(rows: list[Delivery]) -> None:
    for chunk in _chunks([row.pk for row in rows]):
        Delivery.objects.filter(pk__in=chunk, state=DeliveryState.DUE).update(enqueued_at=Now())


def _chunks(items: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
