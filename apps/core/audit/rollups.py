"""Keep the figures of each minute and day, so that no page counts deliveries or log entries.

A run counts the last minutes again, and what earlier runs have missed. It writes what it counted
over what stood there: a second run changes nothing.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncMinute
from django.utils import timezone

from apps.core.models import (
    DayFigures,
    Delivery,
    Mark,
    MinuteFigures,
    NotificationDeliveryLog,
    ProviderEvent,
)
from apps.core.models.tally import BUCKETS, LATEST, SUMS
from apps.core.states import (
    ENDS_OF_ATTEMPTS,
    FAILED_ATTEMPTS,
    RESULTS,
    Channel,
    DeliveryState,
    LogEvent,
)

logger = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)
#: Minutes that each run counts again: a transaction that commits late has an earlier time.
RECENT = 5 * MINUTE
#: How much is counted at once after an outage, and for how many seconds of a run.
CHUNK = timedelta(hours=6)
RUN_S = 25.0
#: How far back the first run of all counts.
FIRST = timedelta(days=30)
#: The mark up to which every minute has been counted.
COUNTED = "figures counted"

Key = tuple[datetime, str]


def keep(now: datetime | None = None) -> None:
    """Count the last minutes, then what is missing before them, oldest first."""
    now, ends = now or timezone.now(), time.monotonic() + RUN_S
    recent = _minute(now) - RECENT
    recount(recent, _minute(now) + MINUTE)
    mark, _ = Mark.objects.get_or_create(name=COUNTED, defaults={"at": recent - FIRST})
    position = mark.at
    while position < recent:
        until = min(position + CHUNK, recent)
        recount(position, until)
        Mark.objects.advance(COUNTED, until)
        position = until
        if time.monotonic() > ends:
            logger.warning("figures not complete, the next run goes on at %s", until)
            return


def counted_until() -> datetime | None:
    """Return the time up to which every minute has been counted, or None before the first run."""
    return Mark.objects.filter(name=COUNTED).values_list("at", flat=True).first()


def recount(start: datetime, end: datetime) -> None:
    """Count the minutes from `start` to `end`, both whole minutes, and their days."""
    found: dict[Key, dict[str, Any]] = defaultdict(dict)
    for minute, channel, values in _counts(start, end):
        found[minute, channel].update(values)
    rows = [
        MinuteFigures(minute=minute, channel=channel, **values)
        for (minute, channel), values in sorted(found.items())
    ]
    _write(MinuteFigures, "minute", rows)
    for day in _days(start, end):
        _write(DayFigures, "day", list(_sum_of(day)))


def start_of(day: date) -> datetime:
    """Return when a day begins in the site's time zone."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(settings.TIME_ZONE))


def today() -> date:
    """Return the present day in the site's time zone."""
    return timezone.now().astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def _counts(start: datetime, end: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """Yield minute, channel and counted columns; a minute comes several times."""
    failed: dict[Key, int] = defaultdict(int)
    for minute, channel, values in (*_attempts(start, end), *_results(start, end)):
        failed[minute, channel] += values.pop("failed")
        yield minute, channel, values
    for minute, channel, values in _given_up(start, end):
        failed[minute, channel] += values["failed"]
    for (minute, channel), count in failed.items():
        yield minute, channel, {"failed": count}
    yield from _created(start, end)
    yield from _parts(start, end)


def _attempts(start: datetime, end: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    accepted = Q(event=LogEvent.ACCEPTED)
    took = ExpressionWrapper(F("at") - F("delivery__due_at"), output_field=DurationField())
    entries = _log(start, end, ENDS_OF_ATTEMPTS).annotate(took=took)
    histogram: dict[str, Any] = {
        name: Count("pk", filter=accepted & within) for name, within in _within().items()
    }
    return _grouped(
        entries,
        "delivery__channel",
        accepted=Count("pk", filter=accepted),
        refused=Count("pk", filter=Q(event__in=FAILED_ATTEMPTS)),
        failed=Count("pk", filter=Q(event=LogEvent.PERMANENT)),
        dollars=Sum("delivery__cost_usd", filter=accepted, default=0),
        last_accepted_at=Max("at", filter=accepted),
        **histogram,
    )


def _within() -> dict[str, Q]:
    """Return, for each column of the histogram, the durations that it counts."""
    found, above = {}, None
    for name, seconds in BUCKETS.items():
        least = Q() if above is None else Q(took__gt=timedelta(seconds=above))
        most = Q() if seconds == float("inf") else Q(took__lte=timedelta(seconds=seconds))
        found[name] = least & most
        above = seconds
    return found


def _results(start: datetime, end: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    delivered = Q(event=LogEvent.DELIVERED)
    return _grouped(
        _log(start, end, RESULTS),
        "delivery__channel",
        delivered=Count("pk", filter=delivered),
        failed=Count("pk", filter=Q(event=LogEvent.BOUNCED)),
        held=Count("pk", filter=Q(event=LogEvent.HELD)),
        skipped=Count("pk", filter=Q(event=LogEvent.SKIPPED)),
        last_delivered_at=Max("at", filter=delivered),
    )


def _given_up(start: datetime, end: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    ended = Delivery.objects.filter(finished_at__gte=start, finished_at__lt=end)
    given_up = ended.filter(state=DeliveryState.EXHAUSTED)
    return _grouped(given_up, "channel", "finished_at", failed=Count("pk"))


def _created(start: datetime, end: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    made = Delivery.objects.filter(created_at__gte=start, created_at__lt=end)
    return _grouped(made, "channel", "created_at", created=Count("pk"))


def _parts(start: datetime, end: datetime) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    receipts = ProviderEvent.objects.filter(received_at__gte=start, received_at__lt=end)
    billed = receipts.exclude(parts=None).filter(delivery__channel=Channel.SMS)
    by_minute = _grouped(billed, "delivery__channel", "received_at", billed_parts=Sum("parts"))
    for minute, channel, values in by_minute:
        yield minute, channel, {"parts": values["billed_parts"]}


def _log(
    start: datetime, end: datetime, events: Iterable[LogEvent]
) -> QuerySet[NotificationDeliveryLog]:
    return NotificationDeliveryLog.objects.filter(
        at__gte=start, at__lt=end, event__in=tuple(events)
    )


def _grouped(
    rows: QuerySet[Any], channel: str, at: str = "at", **counts: Any
) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    by_minute = rows.order_by().annotate(counted_minute=TruncMinute(at, tzinfo=UTC))
    for values in by_minute.values("counted_minute", channel).annotate(**counts):
        yield values.pop("counted_minute"), values.pop(channel), values


def _sum_of(day: date) -> Iterator[DayFigures]:
    minutes: QuerySet[Any] = MinuteFigures.objects.filter(
        minute__gte=start_of(day), minute__lt=start_of(day + timedelta(days=1))
    )
    sums = {f"sum_{name}": Sum(name) for name in SUMS}
    latest = {f"max_{name}": Max(name) for name in LATEST}
    for values in minutes.order_by("channel").values("channel").annotate(**sums, **latest):
        columns = {name: values[f"sum_{name}"] for name in SUMS}
        columns |= {name: values[f"max_{name}"] for name in LATEST}
        yield DayFigures(day=day, channel=values["channel"], **columns)


def _write(model: Any, span: str, rows: list[Any]) -> None:
    if rows:
        model.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=[span, "channel"],
            update_fields=[*SUMS, *LATEST],
        )


def _days(start: datetime, end: datetime) -> Iterator[date]:
    zone = ZoneInfo(settings.TIME_ZONE)
    day, last = start.astimezone(zone).date(), (end - MINUTE).astimezone(zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
