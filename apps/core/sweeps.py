"""What finds the work that nobody is doing: the rows are the queue, and these read them.

Any number of them may run at once. Each move is a conditional UPDATE, and waking a worker twice
for one delivery is harmless.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from . import broker, conf, outcomes
from .models import Delivery, NotificationDeliveryLog
from .states import FINISHED, DeliveryState, LogEvent, Priority

#: Wake-ups that may wait in the broker at one priority before the sweep adds no more.
WINDOW = 2000
#: How long a wake-up is given before the sweep takes it for lost; longer while others wait in the
#: broker before it.
PATIENCE = timedelta(seconds=10)
BUSY_PATIENCE = timedelta(minutes=5)
CHUNK = 500


def due() -> list[Delivery]:
    """The deliveries for which a worker is to be woken now, most urgent and oldest first.

    Recovers first what a lost worker held and what nobody knew the outcome of. A backlog stays
    in the database: the broker gets no more than WINDOW wake-ups at each priority.
    """
    stand_ins = list(_expire_leases())
    _settle_unknown()
    waiting = broker.waiting()
    rows = [row for priority in Priority for row in _due(priority, waiting[priority])]
    _mark_enqueued(rows)
    return stand_ins + rows


def retryable() -> list[Delivery]:
    """Makes due again what was refused for now and has waited out a back-off of minutes."""
    waiting = Delivery.objects.filter(state=DeliveryState.RETRYING, next_attempt_at__lte=Now())
    rows = list(waiting.order_by("priority", "next_attempt_at")[:WINDOW])
    for chunk in _chunks([row.pk for row in rows]):
        waiting.filter(pk__in=chunk).move(DeliveryState.DUE, enqueued_at=Now())
    return rows


def cleanup_logs() -> int:
    """Delete the log of deliveries that finished before the retention; returns how many lines.

    In chunks, so that no transaction is long. A delivery that is not finished keeps every line.
    """
    old = NotificationDeliveryLog.objects.filter(
        delivery__state__in=FINISHED,
        delivery__finished_at__lt=Now() - conf.log_retention(),
    )
    deleted = 0
    while ids := list(old.order_by().values_list("pk", flat=True)[:CHUNK]):
        deleted += NotificationDeliveryLog.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _expire_leases() -> Iterator[Delivery]:
    called = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("pk"), attempt=OuterRef("attempts"), event=LogEvent.CALLING
    )
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=Now())
    for delivery in expired.annotate(called=Exists(called))[:WINDOW]:
        stand_in = outcomes.abandoned(delivery, called=delivery.called)
        if stand_in:
            yield stand_in


def _settle_unknown() -> None:
    overdue = Delivery.objects.filter(state=DeliveryState.UNKNOWN, next_attempt_at__lte=Now())
    for delivery in overdue[:WINDOW]:
        outcomes.settled_by_policy(delivery)


def _due(priority: Priority, waiting: int) -> list[Delivery]:
    # While wake-ups wait, they are being worked off: a row that had one is not taken for lost.
    patience = BUSY_PATIENCE if waiting else PATIENCE
    return list(
        Delivery.objects.filter(
            Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - patience),
            state=DeliveryState.DUE,
            priority=priority,
            next_attempt_at__lte=Now(),
        ).order_by(F("enqueued_at").asc(nulls_first=True), "next_attempt_at")[
            : max(0, WINDOW - waiting)
        ]
    )


def _mark_enqueued(rows: list[Delivery]) -> None:
    for chunk in _chunks([row.pk for row in rows]):
        Delivery.objects.filter(pk__in=chunk).update(enqueued_at=Now())


def _chunks(items: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
