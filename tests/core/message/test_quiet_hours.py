from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.message.quiet_hours import (
    NeverAllowed,
    QuietRange,
    every_day,
    first_allowed,
    instant,
    next_at,
    parse,
)

ZONES = sorted(available_timezones())
CHICAGO = ZoneInfo("America/Chicago")
#: The nights of 2026 on which Chicago's clock jumps from 2:00 to 3:00, and back from 2:00 to 1:00.
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)

clocks = st.times().map(lambda t: t.replace(second=0, microsecond=0))
ranges = st.lists(st.builds(QuietRange, st.integers(0, 6), clocks, clocks), max_size=5)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
zones = st.sampled_from(ZONES).map(ZoneInfo)


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """Return the instants of 2026 and 2027 at which the zone's clock is changed."""
    zone = ZoneInfo(name)
    found = []
    day = datetime(2026, 1, 1, tzinfo=UTC)
    while day.year < 2028:
        following = day + timedelta(days=1)
        low, high = day, following
        if offset(low, zone) != offset(high, zone):
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (
                    (middle, high) if offset(middle, zone) == offset(day, zone) else (low, middle)
                )
            found.append(high.replace(microsecond=0))
        day = following
    return tuple(found)


def offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def spans(
    zone: ZoneInfo, quiet: list[QuietRange], around: date
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the ranges of the days around as instants, by the rules of the module's docstring."""
    for back in range(-3, 12):
        day = around + timedelta(days=back)
        for each in quiet:
            if each.weekday == day.weekday() and each.start != each.end:
                last = day + timedelta(days=each.end < each.start)
                yield shown(day, each.start, zone), shown(last, each.end, zone)


def shown(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the zone's clock shows that time or a later one.

    Found by looking at the clock, minute by minute, instead of by computing it.
    """
    wanted = datetime.combine(day, clock)
    moment = datetime.combine(day, clock, UTC) - timedelta(hours=16)
    while moment.astimezone(zone).replace(tzinfo=None) < wanted - timedelta(hours=4):
        moment += timedelta(hours=1)
    # A clock that jumps within the minute shows the later time at the jump.
    while moment.astimezone(zone).replace(tzinfo=None) < wanted:
        moment += timedelta(minutes=1)
    return moment


@given(moments, zones, ranges)
def test_the_moment_is_the_first_outside_every_range(
    moment: datetime, zone: ZoneInfo, quiet: list[QuietRange]
) -> None:
    try:
        found = first_allowed(moment, zone, tuple(quiet))
    except NeverAllowed:
        return
    assert found >= moment
    all_spans = list(spans(zone, quiet, moment.astimezone(zone).date()))
    assert not any(start <= found < end for start, end in all_spans)
    # Each instant before it is quiet: the spans that begin in time cover the way to it.
    reached = moment
    while reached < found:
        ends = [end for start, end in all_spans if start <= reached < end]
        assert ends, f"{reached} is free"
        reached = max(ends)
    assert reached == max(found, moment)


@pytest.mark.parametrize("chunk", range(8))
def test_both_nights_of_every_zone_keep_the_rules(chunk: int) -> None:
    for name in ZONES[chunk::8]:
        zone = ZoneInfo(name)
        for change in changes(name):
            before = change - timedelta(seconds=1)
            local = before.astimezone(zone)
            shift = offset(change, zone) - offset(before, zone)  # type: ignore[operator]
            # From an hour before the change until twenty minutes into the strange hour.
            begin, end = local - timedelta(minutes=59), local.replace(tzinfo=None)
            if shift > timedelta(0):
                strange = end + timedelta(minutes=20)
            else:
                strange = end - timedelta(minutes=20)
            quiet = QuietRange(
                begin.weekday(), begin.time().replace(second=0), strange.time().replace(second=0)
            )
            inside = change - timedelta(minutes=50)
            found = first_allowed(inside, zone, (quiet,))
            if shift > timedelta(0):
                # Its end is skipped: it ends at the first instant after the gap.
                assert found == change, (name, change)
            else:
                # Its end comes twice: the first one counts.
                assert found < change, (name, change)
                assert found == change - timedelta(minutes=21) + timedelta(seconds=change.second), (
                    name,
                    change,
                )


def test_a_range_that_begins_in_the_skipped_hour_begins_after_it() -> None:
    quiet = [QuietRange(SPRING.weekday(), time(2, 30), time(6))]
    just_before = datetime(2026, 3, 8, 7, 59, tzinfo=UTC)
    assert just_before.astimezone(CHICAGO).time() == time(1, 59)
    assert first_allowed(just_before, CHICAGO, tuple(quiet)) == just_before
    at_three = just_before + timedelta(minutes=1)
    assert at_three.astimezone(CHICAGO).time() == time(3)
    assert first_allowed(at_three, CHICAGO, tuple(quiet)).astimezone(CHICAGO).time() == time(6)


def test_a_range_that_ends_in_the_repeated_hour_ends_the_first_time() -> None:
    quiet = [QuietRange((AUTUMN - timedelta(days=1)).weekday(), time(22), time(1, 30))]
    found = first_allowed(instant(AUTUMN, time(0), CHICAGO), CHICAGO, tuple(quiet))
    assert found == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert found.astimezone(CHICAGO).fold == 0
    # An hour later the clock shows 1:30 again, and nobody waits for that.
    again = found + timedelta(minutes=30)
    assert first_allowed(again, CHICAGO, tuple(quiet)) == again


def test_a_range_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = QuietRange(4, time(22), time(7))
    saturday_night = datetime(2026, 11, 14, 23, tzinfo=CHICAGO)
    assert first_allowed(saturday_night, CHICAGO, (friday,)) == saturday_night
    saturday_morning = datetime(2026, 11, 14, 3, tzinfo=CHICAGO)
    found = first_allowed(saturday_morning, CHICAGO, (friday,))
    assert found == datetime(2026, 11, 14, 7, tzinfo=CHICAGO)


def test_equal_times_are_no_range() -> None:
    moment = datetime(2026, 11, 14, 9, tzinfo=UTC)
    assert first_allowed(moment, CHICAGO, every_day(time(9), time(9))) == moment


def test_ranges_that_follow_one_another_are_waited_out_together() -> None:
    quiet = [QuietRange(0, time(20), time(23)), QuietRange(0, time(23), time(5))]
    found = first_allowed(datetime(2026, 11, 16, 21, tzinfo=CHICAGO), CHICAGO, tuple(quiet))
    assert found == datetime(2026, 11, 17, 5, tzinfo=CHICAGO)


def test_a_week_without_a_free_minute_is_refused() -> None:
    never = every_day(time(0), time(12)) + every_day(time(12), time(0))
    with pytest.raises(NeverAllowed):
        first_allowed(datetime(2026, 11, 14, tzinfo=UTC), CHICAGO, never)


@given(moments, zones, st.integers(0, 23))
def test_the_hour_of_a_digest_comes_once_on_each_local_date(
    moment: datetime, zone: ZoneInfo, hour: int
) -> None:
    first = next_at(hour, moment, zone)
    second = next_at(hour, first, zone)
    assert moment < first < second
    days = [at.astimezone(zone).date() for at in (first, second)]
    assert days[0] < days[1]
    assert first - moment <= timedelta(hours=26)
    local = first.astimezone(zone)
    # The full hour, unless the clock jumped over it.
    assert local.hour == hour or first in changes(zone.key)


def test_ranges_are_read_as_they_are_stored() -> None:
    assert parse([[0, "21:00", "07:00"]]) == (QuietRange(0, time(21), time(7)),)
