"""Find the first moment at which a person may be disturbed. Pure functions of instants and zones.

When the clock is changed, a range means this:

- One that begins or ends in the skipped hour does so at the first instant after it.
- One that begins or ends in the repeated hour does so at its first occurrence. So no one waits an
  hour longer, and nothing is released twice.
- One that ends before it begins ends on the next day, and belongs to the day on which it begins.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

#: A range that contains a moment begins on its day or the one before, or, if the clock skips a
#: whole day, on the one before that.
DAYS_BACK = 2
#: Ranges that leave an hour of the week free do so within this time, even if a change of the clock
#: skips that hour once.
LONGEST = timedelta(days=15)


@dataclass(frozen=True)
class QuietRange:
    """Quiet from `start` on that weekday (Monday is 0) until `end`; none if both are equal."""

    weekday: int
    start: time
    end: time


class NeverAllowed(ValueError):
    """The ranges leave no free time in a week."""


def parse(ranges: Iterable[Sequence[Any]]) -> tuple[QuietRange, ...]:
    """Return ranges that are stored as [weekday, "HH:MM", "HH:MM"]."""
    return tuple(
        QuietRange(weekday, time.fromisoformat(start), time.fromisoformat(end))
        for weekday, start, end in ranges
    )


def every_day(start: time, end: time) -> tuple[QuietRange, ...]:
    return tuple(QuietRange(weekday, start, end) for weekday in range(7))


# For a message to a thousand people, most ask the same.
@lru_cache(maxsize=1024)
def first_allowed(moment: datetime, zone: ZoneInfo, ranges: tuple[QuietRange, ...]) -> datetime:
    """Return the first instant, at or after the moment, that is in none of the quiet ranges.

    Raise NeverAllowed if the ranges leave no free time.
    """
    allowed = moment
    while end := max(_ends_around(allowed, zone, ranges), default=None):
        allowed = end
        if allowed - moment > LONGEST:
            raise NeverAllowed("the quiet hours leave no time in which messages may come")
    return allowed


def next_at(hour: int, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant after `after` at which a day's clock comes to that full hour."""
    day = after.astimezone(zone).date()
    candidates = (instant(day + timedelta(n), time(hour), zone) for n in range(-1, 4))
    return next(each for each in candidates if each > after)


def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return when the zone's clock first shows that time, or skips it, on that day; in UTC."""
    local = datetime.combine(day, clock.replace(fold=0))
    first = local.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    # The clock jumps over it: find the jump between the two readings of what it never showed.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _jump(before, first, zone)


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant with the later offset, to the second."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def _ends_around(
    moment: datetime, zone: ZoneInfo, ranges: Sequence[QuietRange]
) -> Iterator[datetime]:
    """Yield the end of each range that contains the moment."""
    today = moment.astimezone(zone).date()
    for back in range(DAYS_BACK + 1):
        day = today - timedelta(back)
        for each in ranges:
            if each.weekday != day.weekday() or each.start == each.end:
                continue
            last = day if each.end > each.start else day + timedelta(1)
            end = instant(last, each.end, zone)
            if instant(day, each.start, zone) <= moment < end:
                yield end
