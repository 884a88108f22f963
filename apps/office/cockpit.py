"""What the cockpit shows: whether messages flow, by figures that tasks keep.

Nothing here counts deliveries or log entries, except for those that are due now.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.core.audit import latency, readings, rollups
from apps.core.audit.alarms import figures, standing
from apps.core.audit.alarms.figures import Quota, Spend, Waiting
from apps.core.audit.alarms.rules import BY_NAME
from apps.core.audit.alarms.standing import Problem
from apps.core.audit.rollups import MINUTE
from apps.core.guards import reputation
from apps.core.guards.reputation import Reputation
from apps.core.models import Alarm, ChannelStop, DayFigures, MinuteFigures, Reading
from apps.core.models.channel_stop import StopCause
from apps.core.models.tally import Tally
from apps.core.states import Channel, Priority

from .charts import Chart, bars

HOUR_MINUTES, DAYS = 60, 30
#: What is drawn of each channel, and its title.
SERIES = {
    "accepted": "Accepted",
    "delivered": "Delivered",
    "failed": "Failed",
    "held": "Held for later",
}
#: What the buttons call a channel.
SPOKEN = {Channel.EMAIL: "e-mail", Channel.SMS: "texts"}
#: Seconds within which a message should be accepted.
PROMPT_S = 10
MOST_ALARMS = 20
#: Days from which the forecast takes its pace.
PACE_DAYS = 7
#: A worker that answered within this is online.
ONLINE = timedelta(minutes=3)


@dataclass(frozen=True)
class Speed:
    """How long acceptances took within a span, in words; `count` of them."""

    span: str
    count: int
    median: str
    p95: str
    p99: str
    prompt: str


@dataclass(frozen=True)
class ChartRow:
    """One figure of a channel, over the last hour and the last days."""

    name: str
    title: str
    hour: Chart
    days: Chart


@dataclass(frozen=True)
class ChannelView:
    channel: Channel
    spoken: str
    stops: list[ChannelStop]
    is_paused: bool
    last_accepted_at: datetime | None
    last_delivered_at: datetime | None
    speeds: list[Speed]
    charts: list[ChartRow]


@dataclass(frozen=True)
class Worker:
    name: str
    at: datetime
    is_online: bool


@dataclass(frozen=True)
class Texts:
    """The month's texts: parts by their receipts, and money in US dollars."""

    spend: Spend
    parts: int
    forecast: Decimal
    percent: int


def context() -> dict[str, Any]:
    """Return the template's variables; a fixed number of statements."""
    now = timezone.now()
    stops, silence = figures.stops(), figures.silence()
    alarms = list(
        Alarm.objects.exclude(started_at=None).order_by("-started_at", "-id")[:MOST_ALARMS]
    )
    ringing = Alarm.objects.ringing()
    found = standing.problems(now, stops, ringing, silence)
    minutes = list(MinuteFigures.objects.filter(minute__gt=now - HOUR_MINUTES * MINUTE))
    # One more than is drawn: the month's sums begin with its first day, also on the 31st.
    days = list(DayFigures.objects.filter(day__gte=rollups.today() - timedelta(days=DAYS)))
    known = readings.all_by_name()
    return {
        "now": now,
        "problems": found,
        "tone": _tone(found),
        "channels": [_channel(each, stops, minutes, days, now) for each in Channel],
        "queue": _queue(figures.waiting(now)),
        "workers": _workers(known.get(readings.WORKERS), now),
        "tasks": figures.tasks(),
        "silence": silence,
        "counted_until": rollups.counted_until(),
        "reputation": _reputation(known.get(readings.REPUTATION)),
        "quota": _quota(known.get(readings.QUOTA), now),
        "texts": _texts(days, now),
        "reasons": _reasons(known.get(readings.REASONS)),
        "checks": [known[name] for name in (readings.LEDGER, readings.DOCTOR) if name in known],
        "alarms": [(alarm, BY_NAME.get(alarm.name)) for alarm in alarms[:MOST_ALARMS]],
    }


def _tone(found: Sequence[Problem]) -> str:
    if not found:
        return "good"
    return "bad" if found[0].is_grave else "warn"


def _channel(
    channel: Channel,
    stops: Sequence[ChannelStop],
    minutes: Sequence[MinuteFigures],
    days: Sequence[DayFigures],
    now: datetime,
) -> ChannelView:
    own = [stop for stop in stops if stop.channel == channel]
    by_minute = {row.minute: row for row in minutes if row.channel == channel}
    by_day = {row.day: row for row in days if row.channel == channel}
    first = now.replace(second=0, microsecond=0) - (HOUR_MINUTES - 1) * MINUTE
    today = rollups.today()
    hour = [by_minute.get(first + n * MINUTE) for n in range(HOUR_MINUTES)]
    month = [by_day.get(today - timedelta(days=DAYS - 1 - n)) for n in range(DAYS)]
    return ChannelView(
        channel=channel,
        spoken=SPOKEN[channel],
        stops=own,
        is_paused=any(stop.cause == StopCause.PERSON for stop in own),
        last_accepted_at=_latest(by_day.values(), "last_accepted_at"),
        last_delivered_at=_latest(by_day.values(), "last_delivered_at"),
        speeds=[
            _speed("Last hour", list(by_minute.values())),
            _speed("Today", [by_day[today]] if today in by_day else []),
        ],
        charts=_charts(hour, month),
    )


def _charts(hour: Sequence[Tally | None], days: Sequence[Tally | None]) -> list[ChartRow]:
    def values(rows: Sequence[Tally | None], name: str) -> list[int]:
        return [getattr(row, name) if row else 0 for row in rows]

    def scale(rows: Sequence[Tally | None]) -> int:
        return max(max(values(rows, name)) for name in SERIES)

    return [
        ChartRow(
            name,
            title,
            bars(values(hour, name), scale(hour), "hour", "minute"),
            bars(values(days, name), scale(days), f"{DAYS} days", "day"),
        )
        for name, title in SERIES.items()
    ]


def _latest(rows: Any, name: str) -> datetime | None:
    return max((at for row in rows if (at := getattr(row, name))), default=None)


def _speed(span: str, rows: Sequence[Tally]) -> Speed:
    histogram = latency.add_up(rows)
    prompt = latency.share_within(histogram, PROMPT_S)
    median, p95, p99 = (_seconds(latency.quantile(histogram, share)) for share in (0.5, 0.95, 0.99))
    words = "-" if prompt is None else f"{100 * prompt:.1f}%"
    return Speed(span, sum(histogram.values()), median, p95, p99, words)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds == float("inf"):
        return "over 1 h"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _queue(waiting: dict[Priority, Waiting]) -> list[tuple[Priority, int, str]]:
    none = Waiting(0, timedelta())
    rows = [(priority, waiting.get(priority, none)) for priority in Priority]
    return [
        (priority, row.count, _seconds(row.oldest.total_seconds()) if row.count else "-")
        for priority, row in rows
    ]


def _workers(reading: Reading | None, now: datetime) -> list[Worker]:
    times = reading.numbers if reading else {}
    found = [(name, datetime.fromisoformat(at)) for name, at in times.items()]
    return [Worker(name, at, now - at < ONLINE) for name, at in sorted(found)]


def _reputation(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    found = Reputation(**reading.numbers)
    return {
        "at": reading.at,
        "sent": found.sent,
        "rows": [
            _rate("Bounces", found.bounces, reputation.WARN_BOUNCES, reputation.STOP_BOUNCES),
            _rate(
                "Complaints",
                found.complaints,
                reputation.WARN_COMPLAINTS,
                reputation.STOP_COMPLAINTS,
            ),
        ],
    }


def _rate(title: str, share: float, review: float, pause: float) -> dict[str, str]:
    return {
        "title": title,
        "share": f"{100 * share:.2f}%",
        "limits": f"SES reviews an account at {100 * review:g}% and may pause it at "
        f"{100 * pause:g}%",
    }


def _quota(reading: Reading | None, now: datetime) -> dict[str, Any] | None:
    found: Quota | None = figures.quota(reading, now)
    if reading is None or found is None:
        return None
    return {"at": reading.at, "quota": found, "percent": round(100 * found.sent / found.most)}


def _texts(days: Sequence[DayFigures], now: datetime) -> Texts:
    spend = figures.spend()
    own = [row for row in days if row.channel == Channel.SMS]
    today = rollups.today()
    lately = [row for row in own if today - timedelta(days=PACE_DAYS) <= row.day < today]
    pace = sum((row.dollars for row in lately), Decimal(0)) / PACE_DAYS
    left = monthrange(spend.month.year, spend.month.month)[1] - now.day
    forecast = spend.committed + pace * left
    return Texts(
        spend,
        parts=sum(row.parts for row in own if row.day >= spend.month),
        forecast=forecast,
        percent=round(100 * forecast / settings.SMS_MONTHLY_SPEND_LIMIT_USD),
    )


def _reasons(reading: Reading | None) -> list[dict[str, Any]]:
    # A reading of an earlier version of the code has none.
    found = reading.numbers.get("reasons", []) if reading else []
    return [{**each, "channel": Channel(each["channel"]).label} for each in found]
