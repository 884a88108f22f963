"""What one month's messages cost: the sums, and where they are likely to end."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.core.models import CostTally, SMSSpend
from apps.core.states import Channel

from . import prices, tally

ZERO = Decimal(0)
#: The smallest amount that is stored, in US dollars.
SMALLEST = Decimal("0.00001")
SATURDAY = 5


@dataclass
class CostLine:
    """The messages of one kind, company or country."""

    key: str
    emails: int = 0
    texts: int = 0
    parts: int = 0
    email_usd: Decimal = ZERO
    text_usd: Decimal = ZERO

    @property
    def usd(self) -> Decimal:
        return self.email_usd + self.text_usd


@dataclass
class Costs:
    """One month (UTC). All amounts are US dollars."""

    month: date
    #: Up to when messages are counted; None if never.
    until: datetime | None
    email_price_per_1000: Decimal
    kinds: list[CostLine] = field(default_factory=list)
    groups: list[CostLine] = field(default_factory=list)
    countries: list[CostLine] = field(default_factory=list)
    #: Spent, or reserved for texts whose outcome is open: what the month's limit counts.
    text_usd: Decimal = ZERO
    limit_usd: Decimal = ZERO
    last_month_usd: Decimal = ZERO
    #: None in a month that is over, and before its first working day is.
    forecast_usd: Decimal | None = None

    @property
    def emails(self) -> int:
        return sum(line.emails for line in self.kinds)

    @property
    def texts(self) -> int:
        return sum(line.texts for line in self.kinds)

    @property
    def parts(self) -> int:
        return sum(line.parts for line in self.kinds)

    @property
    def email_usd(self) -> Decimal:
        return sum((line.email_usd for line in self.kinds), ZERO)

    @property
    def usd(self) -> Decimal:
        return self.email_usd + self.text_usd

    @property
    def other_text_usd(self) -> Decimal:
        """Return what no accepted text accounts for: unknown outcomes, and corrected prices."""
        return self.text_usd - sum((line.text_usd for line in self.kinds), ZERO)


def costs(month: date) -> Costs:
    """Return the costs of the month that begins on this day."""
    rows, per_1000 = _rows(month), prices.emails_usd_per_1000()
    found = Costs(
        month,
        until=tally.counted_until(),
        email_price_per_1000=per_1000,
        kinds=_lines(rows, "kind", per_1000),
        groups=_lines(rows, "group", per_1000),
        countries=_lines(rows.filter(channel=Channel.SMS), "country", per_1000),
        text_usd=_committed(month),
        limit_usd=settings.SMS_MONTHLY_SPEND_LIMIT_USD,
        last_month_usd=_total(previous(month), per_1000),
    )
    found.forecast_usd = _forecast(found, timezone.now().astimezone(UTC).date())
    return found


def previous(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def following(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def working_days(start: date, end: date) -> int:
    """Return the number of days from Monday to Friday from `start` up to, without, `end`."""
    days = (start + timedelta(days=n) for n in range((end - start).days))
    return sum(day.weekday() < SATURDAY for day in days)


def _rows(month: date) -> QuerySet[CostTally]:
    return CostTally.objects.filter(day__gte=month, day__lt=following(month)).order_by()


def _lines(rows: QuerySet[CostTally], by: str, per_1000: Decimal) -> list[CostLine]:
    """Return a line for each value of the column, the dearest first."""
    sums = rows.values(by, "channel").annotate(
        sent=Sum("messages"), all_parts=Sum("parts"), all_usd=Sum("usd")
    )
    lines: dict[str, CostLine] = {}
    for row in sums:
        line = lines.setdefault(row[by], CostLine(row[by]))
        if row["channel"] == Channel.EMAIL:
            line.emails = row["sent"]
            line.email_usd = prices.emails_usd(row["sent"], per_1000)
        else:
            line.texts, line.parts = row["sent"], row["all_parts"]
            # SQLite adds in floating point.
            line.text_usd = row["all_usd"].quantize(SMALLEST)
    return sorted(lines.values(), key=lambda line: (-line.usd, line.key))


def _committed(month: date) -> Decimal:
    row = SMSSpend.objects.filter(month=month).first()
    return row.committed_usd if row else ZERO


def _total(month: date, per_1000: Decimal) -> Decimal:
    emails = _rows(month).filter(channel=Channel.EMAIL).aggregate(sent=Sum("messages"))["sent"]
    return prices.emails_usd(emails or 0, per_1000) + _committed(month)


def _forecast(found: Costs, today: date) -> Decimal | None:
    """Return the month's likely end: so much a working day until yesterday, for all of them.

    What weekends and today cost is in the sum up to now, so the forecast never is below that.
    """
    end = following(found.month)
    if not found.month <= today < end:
        return None
    done = working_days(found.month, today)
    if not done:
        return None
    before_today = found.usd - _share_of_today(found, today)
    return max(found.usd, before_today / done * working_days(found.month, end))


def _share_of_today(found: Costs, today: date) -> Decimal:
    rows = _rows(found.month).filter(day=today)
    lines = _lines(rows, "day", found.email_price_per_1000)
    return sum((line.usd for line in lines), ZERO)
