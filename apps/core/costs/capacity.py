"""What a number of messages a day needs and costs, and which limit it meets first.

docs/costs.md shows the arithmetic with an example.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings

from apps.core.delivery import places
from apps.core.guards import rate_limit, sms_budget

from . import prices

DAYS_OF_MONTH = 30
HOUR_S = 3600
#: The busiest of 24 hours has at least a 24th of a day's messages.
SMALLEST_PEAK = Decimal("0.0417")
MOST_PER_DAY = 10_000_000
#: US dollars a month of an ElastiCache node, cache.t3.micro, as the specification has it.
REDIS_USD = Decimal("12.96")
#: The country whose price counts.
COUNTRY = "US"


@dataclass(frozen=True)
class Measured:
    """What one delivery takes, by docs/benchmarks.md and docs/scaling.md of that day."""

    on: date
    #: Messages a second of one process with ten connections, at a provider that takes 50 ms.
    per_process_s: int
    #: Processor milliseconds of a worker for one e-mail, the higher figure.
    cpu_ms: float
    #: Trips to Redis for one delivery of a backlog.
    redis_trips: float
    #: Kilobytes in PostgreSQL of one delivery with its notification, log, events and indexes.
    stored_kb: float


MEASURED = Measured(date(2026, 11, 28), 135, 1.6, 0.15, 3.0)
#: Simple commands that one Redis serves in a second.
REDIS_COMMANDS_S = 100_000


@dataclass(frozen=True)
class Mix:
    """How a day's notifications go out; the specification's own shares."""

    email_share: Decimal = Decimal("0.6")
    text_share: Decimal = Decimal("0.3")
    #: The parts of a text.
    parts: int = 1
    #: The share of a day's messages that comes in the busiest hour.
    peak_share: Decimal = Decimal("0.25")


@dataclass(frozen=True)
class Limit:
    """A limit, and the number of notifications a day with which it is reached."""

    name: str
    per_day: int
    do: str


@dataclass(frozen=True)
class Capacity:
    """Seconds, US dollars a month, and messages."""

    per_day: int
    emails_a_month: int
    texts_a_month: int
    email_usd: Decimal
    text_usd: Decimal
    redis_usd: Decimal
    #: Seconds that the busiest hour's messages take by the channel's rate limit.
    email_drain_s: int
    text_drain_s: int
    peak_per_s: float
    #: Processes of workers, and the cores that they keep busy at the peak.
    processes: int
    cores: float
    stored_gb_a_day: float
    measured_on: date
    #: All limits, the lowest first.
    limits: list[Limit]

    @property
    def usd(self) -> Decimal:
        return self.email_usd + self.text_usd + self.redis_usd

    @property
    def reached(self) -> list[Limit]:
        """Return the limits that so many messages exceed, the first one first."""
        return [limit for limit in self.limits if limit.per_day < self.per_day]

    def as_dict(self) -> dict[str, Any]:
        first = self.reached[0].name if self.reached else None
        return asdict(self) | {"usd": self.usd, "breaks_first": first}


def capacity(per_day: int, mix: Mix | None = None, ses_quota: int | None = None) -> Capacity:
    """Return what so many notifications a day take. `ses_quota`: e-mails in 24 hours."""
    mix = mix or Mix()
    emails, texts = per_day * mix.email_share, per_day * mix.text_share
    email_rate, part_rate = _rates()
    peak_per_s = float((emails + texts) * mix.peak_share) / HOUR_S
    return Capacity(
        per_day,
        emails_a_month=round(emails * DAYS_OF_MONTH),
        texts_a_month=round(texts * DAYS_OF_MONTH),
        email_usd=prices.emails_usd(round(emails * DAYS_OF_MONTH), prices.emails_usd_per_1000()),
        text_usd=texts * DAYS_OF_MONTH * _text_usd(mix),
        redis_usd=REDIS_USD,
        email_drain_s=round(float(emails * mix.peak_share) / email_rate),
        text_drain_s=round(float(texts * mix.parts * mix.peak_share) / part_rate),
        peak_per_s=round(peak_per_s, 2),
        processes=max(1, math.ceil(peak_per_s / MEASURED.per_process_s)),
        cores=round(peak_per_s * MEASURED.cpu_ms / 1000, 2),
        stored_gb_a_day=round(float(emails + texts) * MEASURED.stored_kb / 1e6, 3),
        measured_on=MEASURED.on,
        limits=sorted(_limits(mix, ses_quota), key=lambda limit: limit.per_day),
    )


def _rates() -> tuple[float, float]:
    """Return how many e-mails and parts of texts leave in a second."""
    used = rate_limit.USED
    return float(settings.EMAIL_RATE_LIMIT) * used, float(settings.SMS_RATE_LIMIT) * used


def _text_usd(mix: Mix) -> Decimal:
    return sms_budget.price_in(COUNTRY, mix.parts)


def _limits(mix: Mix, ses_quota: int | None) -> Iterator[Limit]:
    email_rate, part_rate = _rates()
    both = mix.email_share + mix.text_share
    process_rate = settings.CELERY_WORKER_CONCURRENCY * MEASURED.per_process_s
    place_rate = places.MOST_PLACES * MEASURED.per_process_s
    redis_rate = REDIS_COMMANDS_S / MEASURED.redis_trips
    if mix.email_share:
        do = "Ask SES for a higher rate, then raise EMAIL_RATE_LIMIT."
        yield Limit("rate of e-mail", _at_peak(email_rate, mix.email_share, mix), do)
    if mix.email_share and ses_quota is not None:
        do = "Ask SES for a higher daily quota."
        yield Limit("daily quota of SES", int(ses_quota / mix.email_share), do)
    if mix.text_share:
        do = "Get another origination number, then raise SMS_RATE_LIMIT."
        yield Limit("rate of texts", _at_peak(part_rate, mix.text_share * mix.parts, mix), do)
        a_day = settings.SMS_MONTHLY_SPEND_LIMIT_USD / DAYS_OF_MONTH / _text_usd(mix)
        do = "Raise SMS_MONTHLY_SPEND_LIMIT_USD, and SNS's own limit."
        yield Limit("monthly budget of texts", int(a_day / mix.text_share), do)
    if both:
        do = "Add worker hosts."
        yield Limit("processes of one worker host", _at_peak(process_rate, both, mix), do)
        do = "Divide by company: a database and a Redis for each share."
        yield Limit("places for processes", _at_peak(place_rate, both, mix), do)
        yield Limit("one Redis", _at_peak(redis_rate, both, mix), do)


def _at_peak(rate: float, share: Decimal, mix: Mix) -> int:
    """Return with how many notifications a day the busiest hour needs this rate."""
    return int(Decimal(rate) * HOUR_S / (share * mix.peak_share))
