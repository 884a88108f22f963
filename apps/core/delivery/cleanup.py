"""Clean-up: delete what is older than its retention.

Rows go in chunks, each in a short transaction of its own, and a chunk costs the same however many
rows there are. A run ends in time for its task's limit, and the next run goes on.
"""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from apps.core import conf
from apps.core.guards import suppressions
from apps.core.models import (
    Alarm,
    DayFigures,
    Delivery,
    Mark,
    MinuteFigures,
    Notification,
    NotificationDeliveryLog,
    ProviderEvent,
    SetAside,
    WordingVersion,
)
from apps.core.models.delivery_log import allow_deletion
from apps.core.models.wording import WordingState
from apps.core.states import FINISHED

logger = logging.getLogger(__name__)

CHUNK = 500
#: Seconds after which a run begins no other chunk. Well below the soft limit of its task.
RUN_S = 180.0
#: The mark up to which finished deliveries have lost their logs.
LOGS_DELETED = "delivery logs deleted"

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def clean_up() -> dict[str, int]:
    """Delete what is older than its retention; return the number of rows deleted, by their name.

    What is not finished stays, with its log.
    """
    now, ends = timezone.now(), time.monotonic() + RUN_S
    log_ends = now - conf.log_retention()
    # The rule of three soft bounces counts events.
    events_end = now - max(conf.log_retention(), suppressions.SOFT_WINDOW)
    work = {
        "notifications": delete_notifications(now - conf.notification_retention()),
        "entries": delete_logs(log_ends),
        "events": _delete(ProviderEvent.objects.filter(received_at__lt=events_end)),
        "set_aside": _delete(SetAside.objects.filter(received_at__lt=log_ends)),
        "minutes": _delete(MinuteFigures.objects.filter(minute__lt=log_ends), "minute"),
        "days": _delete(
            DayFigures.objects.filter(day__lt=(now - conf.notification_retention()).date()), "day"
        ),
        "alarms": _delete(
            Alarm.objects.filter(ended_at__lt=now - conf.notification_retention()), "ended_at"
        ),
        "samples": _delete(_unused_samples(now - conf.notification_retention()), "made_at"),
    }
    deleted = dict.fromkeys(work, 0)
    for name, chunks in work.items():
        for count in chunks:
            deleted[name] += count
            if time.monotonic() > ends:
                logger.warning("clean-up not finished, the next run goes on at the %s", name)
                return deleted
    return deleted


def delete_notifications(before: datetime) -> Iterator[int]:
    """Delete what is older, with deliveries, log and events; yield the notifications of a chunk.

    A notification stays while a delivery of it is not finished, or has finished since then.
    """
    old = Notification.objects.filter(created_at__lt=before)
    after = None
    while chunk := _next(old, "created_at", after):
        yield _delete_notifications([pk for _, pk in chunk], before)
        after = chunk[-1]


@transaction.atomic
def _delete_notifications(pks: list[Any], before: datetime) -> int:
    allow_deletion()
    # Locked: a person may have one of them sent again at this moment.
    deliveries = Delivery.objects.select_for_update().filter(notification__in=pks)
    rows = list(deliveries.only("notification_id", "state", "finished_at"))
    kept = {row.notification_id for row in rows if not _has_finished(row, before)}
    ProviderEvent.objects.filter(
        delivery__in=[row.pk for row in rows if row.notification_id not in kept]
    ).delete()
    gone = Notification.objects.filter(pk__in=set(pks) - kept)
    return gone.only("pk").delete()[1].get(Notification._meta.label, 0)


def _has_finished(row: Delivery, before: datetime) -> bool:
    return row.state in FINISHED and row.finished_at is not None and row.finished_at < before


def delete_logs(before: datetime) -> Iterator[int]:
    """Delete the logs of deliveries that finished earlier; yield the entries of a chunk.

    A mark says how far it came, since the deliveries themselves stay for longer.
    """
    mark, _ = Mark.objects.get_or_create(name=LOGS_DELETED, defaults={"at": _LONG_AGO})
    # By the time alone: with the states, SQLite would choose their index and sort all rows.
    finished = Delivery.objects.filter(finished_at__gte=mark.at, finished_at__lt=before)
    after = None
    while True:
        with transaction.atomic():
            allow_deletion()
            # Locked: a person may have one of them sent again at this moment.
            chunk = _next(finished.select_for_update(), "finished_at", after)
            if not chunk:
                return
            after = chunk[-1]
            log = NotificationDeliveryLog.objects.filter(delivery__in=[pk for _, pk in chunk])
            deleted = log.filter(delivery__state__in=FINISHED).delete()[0]
            Mark.objects.advance(LOGS_DELETED, after[0])
        yield deleted


def _unused_samples(before: datetime) -> QuerySet[WordingVersion]:
    """Return the words of samples that were last sent earlier, and that no message has."""
    words = WordingVersion.objects.filter(state=WordingState.SAMPLE, made_at__lt=before)
    # All its messages are as old, and few of that age are left.
    kept = Notification.objects.filter(created_at__lt=before, wording=OuterRef("digest"))
    return words.filter(~Exists(kept))


def _delete(rows: QuerySet[Any], time_field: str = "received_at") -> Iterator[int]:
    after = None
    while chunk := _next(rows, time_field, after):
        yield rows.model._default_manager.filter(pk__in=[pk for _, pk in chunk]).delete()[0]
        after = chunk[-1]


def _next(
    rows: QuerySet[Any], time_field: str, after: tuple[datetime, Any] | None
) -> list[tuple[datetime, Any]]:
    """Return the time and key of the next rows, oldest first.

    They begin after the last chunk, because the index still has the entries of deleted rows.
    """
    if after:
        at, pk = after
        rows = rows.filter(**{f"{time_field}__gte": at})
        rows = rows.exclude(**{time_field: at, "pk__lte": pk})
    return list(rows.order_by(time_field, "pk").values_list(time_field, "pk")[:CHUNK])
