"""What the alarms look at, collected in a few short statements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import redis
from django.conf import settings
from django.db.models import Count, Min, Sum
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.core.audit import heartbeat, readings, task_counts
from apps.core.audit.rollups import MINUTE, counted_until
from apps.core.delivery import broker
from apps.core.guards import circuit_breaker, sms_budget
from apps.core.guards.reputation import Reputation
from apps.core.models import Alarm, ChannelStop, Delivery, MinuteFigures, Reading, SMSSpend
from apps.core.models.channel_stop import StopCause
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.states import Channel, DeliveryState, Priority

#: The time over which attempts and tasks are judged.
ATTEMPTS_OVER = 10 * MINUTE
HOUR = timedelta(hours=1)
#: Older readings of the quota say nothing of the present.
QUOTA_LASTS = timedelta(hours=2)


@dataclass(frozen=True)
class Outcomes:
    """How many messages or attempts ended within a time, and how many of them failed."""

    ended: int = 0
    failed: int = 0

    @property
    def percent(self) -> float:
        return 100 * self.failed / self.ended if self.ended else 0.0


@dataclass(frozen=True)
class Quota:
    """E-mails that SES sent in 24 hours, and how many it allows."""

    sent: float
    most: float


@dataclass(frozen=True)
class Spend:
    """The month's money for texts, in US dollars."""

    month: date
    committed: Decimal
    limit: Decimal
    #: A text was refused for lack of budget, and there still is little.
    is_refused: bool = False


@dataclass(frozen=True)
class Waiting:
    """The due deliveries of one priority that no worker has."""

    count: int
    oldest: timedelta


@dataclass(frozen=True)
class Figures:
    """What is known at one moment. None: it is not known, and the alarm stays as it is."""

    now: datetime
    stops: Sequence[ChannelStop] = ()
    reputation: Reputation | None = None
    quota: Quota | None = None
    spend: Spend | None = None
    #: Texts of the last hour: accepted, and failed or refused.
    texts: Outcomes = Outcomes()
    attempts: Outcomes = Outcomes()
    tasks: Outcomes | None = None
    workers: int | None = None
    waiting: dict[Priority, Waiting] = field(default_factory=dict)
    #: The longest wait of an urgent delivery. Neither counts what waits for a stopped channel.
    urgent_wait: timedelta = timedelta()
    #: How long ago the sweep ran.
    silence: timedelta | None = None
    #: How old the last minute is up to which everything has been counted.
    lag: timedelta | None = None
    ledger: Reading | None = None
    doctor: Reading | None = None


def collect() -> Figures:
    """Return the present figures. Takes a second: workers are asked to answer."""
    now = timezone.now()
    known, stopped = readings.all_by_name(), stops()
    return Figures(
        now=now,
        stops=stopped,
        reputation=_reputation(known.get(readings.REPUTATION)),
        quota=quota(known.get(readings.QUOTA), now),
        spend=spend(),
        texts=_texts(now),
        attempts=_attempts(now, stopped),
        tasks=tasks(),
        workers=_workers(),
        waiting=waiting(now, circuit_breaker.running(_due())),
        urgent_wait=_urgent_wait(now),
        silence=silence(),
        lag=_lag(now),
        ledger=known.get(readings.LEDGER),
        doctor=known.get(readings.DOCTOR),
    )


def stops() -> list[ChannelStop]:
    return list(ChannelStop.objects.order_by("channel", "since"))


def quota(reading: Reading | None, now: datetime) -> Quota | None:
    """Return the reading of SES's quota; None while it is not known.

    The quota is one of 24 hours: an older reading, or an account without a limit, is near none.
    """
    if reading is None:
        return None
    age = now - reading.at
    if age > timedelta(days=1) or reading.numbers["most"] <= 0:
        return Quota(0.0, 1.0)
    if age > QUOTA_LASTS:
        return None
    return Quota(reading.numbers["sent"], reading.numbers["most"])


def spend() -> Spend:
    month = sms_budget.this_month()
    row = SMSSpend.objects.filter(month=month).first()
    committed = row.committed_usd if row else Decimal(0)
    limit: Decimal = settings.SMS_MONTHLY_SPEND_LIMIT_USD
    # A limit that was raised since has room for any text: the refusal is over.
    is_tight = limit - committed < max(settings.SMS_MAX_PRICE_USD, limit / 10)
    return Spend(month, committed, limit, bool(row and row.refused_at and is_tight))


def waiting(now: datetime, among: DeliveryQuerySet | None = None) -> dict[Priority, Waiting]:
    """Return what is due and has no worker, by priority; also what waits for a stopped channel."""
    due = _due() if among is None else among
    rows = due.order_by("priority").values_list("priority")
    return {
        Priority(priority): Waiting(count, max(timedelta(), now - oldest))
        for priority, count, oldest in rows.annotate(Count("pk"), Min("next_attempt_at"))
    }


def _due() -> DeliveryQuerySet:
    return Delivery.objects.filter(
        state__in=[DeliveryState.DUE, DeliveryState.RETRYING], next_attempt_at__lte=Now()
    )


def tasks() -> Outcomes | None:
    """Return the Celery tasks of the last minutes, or None if Redis does not say."""
    try:
        return Outcomes(*task_counts.within(ATTEMPTS_OVER // MINUTE))
    except redis.RedisError:
        return None


def silence() -> timedelta | None:
    """Return how long ago the sweep ran, or None if Redis does not say."""
    try:
        age = heartbeat.age()
        return min(heartbeat.LIFE, heartbeat.redis_uptime()) if age is None else age
    except redis.RedisError:
        return None


def _reputation(reading: Reading | None) -> Reputation | None:
    return Reputation(**reading.numbers) if reading else None


def _lag(now: datetime) -> timedelta | None:
    counted = counted_until()
    return None if counted is None else now - counted


def _texts(now: datetime) -> Outcomes:
    rows = MinuteFigures.objects.filter(minute__gt=now - HOUR, channel=Channel.SMS)
    sums = rows.aggregate(accepted=Sum("accepted", default=0), failed=Sum("failed", default=0))
    return Outcomes(max(sums["accepted"], sums["failed"]), sums["failed"])


def stopped_alarm(channel: Channel) -> str:
    """Return the name of the alarm that the provider stopped the channel."""
    return f"{channel}-stopped"


def _attempts(now: datetime, stopped: Sequence[ChannelStop]) -> Outcomes:
    """Count attempts, without the minutes in which their channel was stopped.

    A refusal of the whole account stops the channel, and an alarm of its own tells it.
    """
    rows = MinuteFigures.objects.filter(minute__gt=now - ATTEMPTS_OVER)
    for channel, since, until in _provider_stops(now, stopped):
        # The alarm starts and ends up to a minute after the stop.
        rows = rows.exclude(channel=channel, minute__gt=since - 2 * MINUTE, minute__lte=until)
    sums = rows.aggregate(accepted=Sum("accepted", default=0), refused=Sum("refused", default=0))
    return Outcomes(sums["accepted"] + sums["refused"], sums["refused"])


def _provider_stops(
    now: datetime, stopped: Sequence[ChannelStop]
) -> Iterator[tuple[Channel, datetime, datetime]]:
    """Yield channel, beginning and end of the provider's stops that may concern the attempts."""
    for stop in stopped:
        if stop.cause == StopCause.PROVIDER:
            yield Channel(stop.channel), stop.since, now
    channels = {stopped_alarm(channel): channel for channel in Channel}
    lately = Alarm.objects.filter(name__in=channels).exclude(ended_at__lte=now - ATTEMPTS_OVER)
    for name, since, until in lately.values_list("name", "started_at", "ended_at"):
        if since:
            yield channels[name], since, until or now


def _urgent_wait(now: datetime) -> timedelta:
    due = Delivery.objects.filter(state=DeliveryState.DUE, priority=Priority.URGENT)
    running = circuit_breaker.running(due.filter(next_attempt_at__lte=Now()))
    oldest = running.aggregate(oldest=Min("next_attempt_at"))["oldest"]
    return max(timedelta(), now - oldest) if oldest else timedelta()


def _workers() -> int | None:
    """Return how many sending workers answer, and note when each last did."""
    try:
        names = broker.workers()
    except (OperationalError, redis.RedisError):
        return None
    readings.note_workers(names)
    return len(names)
