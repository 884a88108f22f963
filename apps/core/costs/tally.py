"""Count what providers accepted, by day, so that no page reads the deliveries of a month.

A run counts the log in steps of ten minutes and moves a mark, in one transaction for each step. So
each acceptance is counted once, and a run costs what has happened since the last one.
"""

import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum
from django.utils import timezone

from apps.core.guards import sms_budget
from apps.core.message import people
from apps.core.models import Contact, CostTally, Mark, NotificationDeliveryLog
from apps.core.states import Channel, LogEvent

#: The mark up to which the log is counted.
COUNTED = "costs counted"
#: A divisor of an hour, so that no step reaches into another day.
STEP = timedelta(minutes=10)
#: An entry has the time at which its transaction began, and is seen after the commit.
SETTLE = timedelta(minutes=2)
#: Seconds after which a run begins no other step. Below its task's soft limit.
RUN_S = 30.0
#: People of one statement.
CHUNK = 10_000


class Key(NamedTuple):
    """What the rows of one day are told apart by, as in CostTally."""

    channel: str
    kind: str
    group: str
    country: str


class Sums(NamedTuple):
    messages: int = 0
    parts: int = 0
    usd: Decimal = Decimal(0)

    def plus(self, other: "Sums") -> "Sums":
        return Sums(self.messages + other.messages, self.parts + other.parts, self.usd + other.usd)


def count() -> None:
    """Count what was accepted since the last run."""
    ends = time.monotonic() + RUN_S
    while _count_step() and time.monotonic() < ends:
        pass


def counted_until() -> datetime | None:
    """Return the time up to which the log is counted, or None if it never was."""
    mark = Mark.objects.filter(name=COUNTED).first()
    return mark.at if mark else None


@transaction.atomic
def _count_step() -> bool:
    """Count the next step in which something was accepted. Return False if none is left."""
    now = timezone.now()
    Mark.objects.get_or_create(name=COUNTED, defaults={"at": _first(now)})
    mark = Mark.objects.select_for_update().get(name=COUNTED)
    settled = _step_of(now - SETTLE)
    start = min(_step_of(_next_accepted(mark.at) or settled), settled)
    is_left = start < settled
    end = start + STEP if is_left else settled
    if is_left:
        _add(start.date(), _accepted(start, end))
    Mark.objects.filter(pk=mark.pk, at__lt=end).update(at=end)
    return is_left


def _step_of(at: datetime) -> datetime:
    """Return the beginning of the step that a time is in, in UTC."""
    return datetime.fromtimestamp(
        at.timestamp() // STEP.total_seconds() * STEP.total_seconds(), UTC
    )


def _next_accepted(after: datetime) -> datetime | None:
    entries = NotificationDeliveryLog.objects.filter(event=LogEvent.ACCEPTED, at__gte=after)
    return entries.order_by("at").values_list("at", flat=True).first()


def _first(now: datetime) -> datetime:
    """Return where the first run begins: with the month before this one, in UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1)


def _accepted(start: datetime, end: datetime) -> dict[Key, Sums]:
    rows = _rows(start, end)
    recipients = {row["recipient"] for row in rows}
    groups = _groups(list(recipients))
    countries = _countries([row for row in rows if row["channel"] == Channel.SMS])
    found: dict[Key, Sums] = defaultdict(Sums)
    for row in rows:
        country = countries.get((row["recipient"], row["direct_to"]), "")
        key = Key(row["channel"], row["kind"], groups.get(row["recipient"], ""), country)
        sums = Sums(row["messages"], row["parts"] or 0, row["usd"] or Decimal(0))
        found[key] = found[key].plus(sums)
    return found


def _rows(start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return the sums of each recipient, channel and kind, from the index of calls."""
    entries = NotificationDeliveryLog.objects.filter(
        event=LogEvent.ACCEPTED, at__gte=start, at__lt=end
    ).order_by()
    grouped: QuerySet[Any, Any] = entries.values(
        channel=F("delivery__channel"),
        kind=F("delivery__notification__kind"),
        recipient=F("delivery__notification__recipient_id"),
        direct_to=F("delivery__direct_to"),
    )
    sums = {
        "messages": Count("pk"),
        "parts": Sum("delivery__parts"),
        "usd": Sum("delivery__cost_usd"),
    }
    return list(grouped.annotate(**sums))


def _groups(ids: list[Any]) -> dict[Any, str]:
    """Return each person's first group by the person's id."""
    found: dict[Any, str] = {}
    for start in range(0, len(ids), CHUNK):
        groups = people.groups(ids[start : start + CHUNK])
        found |= {pk: keys[0] for pk, keys in groups.items() if keys}
    return found


def _countries(texts: list[dict[str, Any]]) -> dict[tuple[Any, str], str]:
    """Return the country of each text's number by recipient and the delivery's own number."""
    ids = [row["recipient"] for row in texts]
    phones: dict[Any, str] = {}
    for start in range(0, len(ids), CHUNK):
        contacts = Contact.objects.filter(user__in=ids[start : start + CHUNK])
        phones |= dict(contacts.values_list("user_id", "phone"))
    return {
        (row["recipient"], row["direct_to"]): sms_budget.country(
            row["direct_to"] or phones.get(row["recipient"], "")
        )
        for row in texts
    }


def _add(day: date, found: dict[Key, Sums]) -> None:
    if not found:
        return
    rows = {
        Key(r.channel, r.kind, r.group, r.country): r for r in CostTally.objects.filter(day=day)
    }
    changed: list[CostTally] = []
    new: list[CostTally] = []
    for key, sums in found.items():
        row = rows.get(key)
        (changed if row else new).append(row := row or CostTally(day=day, **key._asdict()))
        row.messages, row.parts, row.usd = Sums(row.messages, row.parts, row.usd).plus(sums)
    CostTally.objects.bulk_create(new)
    CostTally.objects.bulk_update(changed, ["messages", "parts", "usd"])
