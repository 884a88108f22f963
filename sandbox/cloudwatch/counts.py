"""What AWS would have counted, minute by minute, of the accepted messages."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sandbox.ses.events import Event, is_simulated
from sandbox.sns import parts
from sandbox.sns.sms import USD_PER_PART, Sms

Point = tuple[datetime, float]


class Metric(NamedTuple):
    """A metric of CloudWatch, with its dimensions as pairs of name and value."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()


_PHONES = frozenset({("PhoneNumber", "PhoneNumberDirect")})
SPENT = Metric("AWS/SNS", "SMSMonthToDateSpentUSD")
TEXTS = {
    "SUCCESS": Metric("AWS/SNS", "NumberOfNotificationsDelivered", _PHONES),
    "FAILURE": Metric("AWS/SNS", "NumberOfNotificationsFailed", _PHONES),
}
#: The events that SES counts for the whole account, in a metric of the same name.
EMAILS = {
    name: Metric("AWS/SES", name) for name in ("Send", "Delivery", "Bounce", "Complaint", "Reject")
}
#: The recipients that count for the daily quota; not a metric of CloudWatch.
_QUOTA = Metric("", "SentLast24Hours")


class Counts:
    """Keeps the counts until the sandbox stops, also after the messages are deleted."""

    def __init__(self) -> None:
        self._values: dict[Metric, dict[datetime, float]] = {}
        self._spent: defaultdict[tuple[int, int], Decimal] = defaultdict(Decimal)

    def count_event(self, event: Event, at: datetime) -> None:
        """Count an event of an e-mail."""
        if event.type in EMAILS:
            self._add(EMAILS[event.type], at, len(event.recipients))
        if event.type == "Send":
            self._add(_QUOTA, at, sum(not is_simulated(to) for to in event.recipients))

    def count_text(self, sms: Sms, status: str, at: datetime) -> None:
        """Count a text that ended with `status`; SNS charges for failed texts too."""
        self._add(TEXTS[status], at, 1)
        self._spent[at.year, at.month] += len(parts.split(sms.body)) * USD_PER_PART
        self._of(SPENT)[_minute(at)] = float(self._spent[at.year, at.month])

    def points(self, metric: Metric, start: datetime, end: datetime) -> Sequence[Point]:
        """Return the minutes from `start` until before `end` that have a value, in order."""
        values: Mapping[datetime, float] = self._values.get(metric, {})
        return sorted((at, value) for at, value in values.items() if start <= at < end)

    def sent_in_24_hours(self, now: datetime) -> float:
        """Return the number of recipients, without the mailbox simulator's."""
        start = _minute(now - timedelta(hours=24))
        return sum(value for _, value in self.points(_QUOTA, start, now))

    def _add(self, metric: Metric, at: datetime, amount: int) -> None:
        values = self._of(metric)
        values[_minute(at)] = values.get(_minute(at), 0.0) + amount

    def _of(self, metric: Metric) -> dict[datetime, float]:
        return self._values.setdefault(metric, {})


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
