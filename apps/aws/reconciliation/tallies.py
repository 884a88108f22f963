"""What our own books have counted within a window of time, to be held against AWS's counts.

Two clocks and two ways of counting never agree on the moment, so each count is a range: at least
what lies well within the window, at most what may lie in it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from apps.core.guards.sms_budget import this_month
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent, SMSSpend
from apps.core.states import Channel, EventCause, EventKind, LogEvent

#: What happened within so much of either end of a window may be counted or not: clocks differ, and
#: AWS counts when it has come to it.
EDGE = timedelta(minutes=15)
#: The word that ends the doubt about what SES made of an e-mail.
ENDS = (EventKind.DELIVERED, EventKind.BOUNCED, EventKind.COMPLAINED, EventKind.REJECTED)

#: Log lines that end a call: it was taken, or certainly not.
_ANSWERED = (
    LogEvent.ACCEPTED,
    LogEvent.TRANSIENT,
    LogEvent.PERMANENT,
    LogEvent.SKIPPED,
    LogEvent.NOT_CALLED,
)


@dataclass(frozen=True)
class Window:
    """From after `start` up to and with `end`."""

    start: datetime
    end: datetime

    @property
    def narrow(self) -> "Window":
        return Window(self.start + EDGE, self.end - EDGE)

    @property
    def wide(self) -> "Window":
        return Window(self.start - EDGE, self.end + EDGE)

    def of(self, field: str) -> Q:
        """Where that field lies in it."""
        return Q(**{f"{field}__gt": self.start, f"{field}__lte": self.end})


class Range(NamedTuple):
    """A count that is known to be between these two, both included."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


class Spend(NamedTuple):
    """US dollars of a month: what our books have for it; how much of that no receipt has confirmed;
    and what receipts that are nobody's delivery name besides."""

    committed: Decimal
    unconfirmed: Decimal
    foreign: Decimal


def taken_emails(window: Window) -> Range:
    """Calls that SES took, or may have taken, and counts for its quota."""
    sure = _accepted(Channel.EMAIL, window.narrow)
    possible = _accepted(Channel.EMAIL, window.wide)
    # SES bills the messages to its simulator, and does not count them for the quota.
    least = _attempts(sure) - _simulated(window.wide)
    return Range(max(0, least), _attempts(possible) + _attempts(_unanswered(window.wide)))


def foreign_emails(window: Window) -> int:
    """Messages that SES reports to have taken, and that are no delivery of ours."""
    sent = _reports("ses", EventKind.SENT).filter(window.wide.of("occurred_at"), delivery=None)
    return messages(sent)


def reported_emails(kind: EventKind, window: Window) -> Range:
    """Messages of which SES reported this within the window."""
    reports = _reports("ses", kind)
    sure = reports.filter(window.narrow.of("occurred_at")).exclude(delivery=None)
    # Whether SES's metrics count these is not written anywhere.
    sure = sure.exclude(Q(is_simulated=True) | Q(cause=EventCause.OWN_LIST))
    return Range(messages(sure), messages(reports.filter(window.wide.of("occurred_at"))))


def open_emails(window: Window) -> int:
    """Calls within the window that SES took or may have taken, and whose end nobody reported."""
    ended = _reports("ses", *ENDS).filter(_same_message())
    taken = _accepted(Channel.EMAIL, window.wide).exclude(Exists(ended))
    return _attempts(taken) + _attempts(_unanswered(window.wide))


def unreported(channel: Channel, window: Window, *kinds: EventKind) -> dict[int, UUID]:
    """The deliveries that the provider took, and of which it reported none of these kinds, or
    nothing at all; each under the line of its log that says that it was taken, the oldest first.
    """
    reports = _reports(_provider(channel), *kinds).filter(_same_message())
    lines = _accepted(channel, window).exclude(provider_message_id="")
    silent = lines.exclude(Exists(reports)).order_by("at", "pk")
    return dict(silent.values_list("pk", "delivery_id"))


def taken_texts(window: Window) -> int:
    """Calls that SNS took."""
    return _attempts(_accepted(Channel.SMS, window))


def receipts(kind: EventKind, window: Window) -> Range:
    """Texts of which SNS's log says this; it names the time of the call, not that of the end."""
    lines = _reports("sns", kind)
    sure = lines.filter(window.narrow.of("occurred_at"), window.narrow.of("received_at"))
    possible = lines.filter(window.wide.of("occurred_at") | window.wide.of("received_at"))
    return Range(messages(sure.exclude(delivery=None)), messages(possible))


def unmatched(provider: str, window: Window) -> QuerySet[ProviderEvent]:
    """Reports that came within the window, and that no delivery claimed."""
    return _reports(provider).filter(window.of("received_at"), delivery=None)


def spend() -> Spend:
    """Of the present month."""
    month = this_month()
    row = SMSSpend.objects.filter(month=month).first()
    priced = _reports("sns").exclude(price_usd=None)
    # The row of a delivery names the message of its present attempt, whose money it holds.
    unpriced = Delivery.objects.filter(cost_month=month).exclude(
        Exists(priced.filter(_same_message()))
    )
    since = datetime(month.year, month.month, month.day, tzinfo=UTC)
    foreign = priced.filter(received_at__gte=since, delivery=None)
    return Spend(
        committed=row.committed_usd if row else Decimal(0),
        unconfirmed=_total(unpriced, "cost_usd"),
        foreign=_total(foreign, "price_usd"),
    )


def _accepted(channel: Channel, window: Window) -> QuerySet[NotificationDeliveryLog]:
    return _calls(channel, LogEvent.ACCEPTED).filter(window.of("at"))


def _unanswered(window: Window) -> QuerySet[NotificationDeliveryLog]:
    answered = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("delivery"), attempt=OuterRef("attempt"), event__in=_ANSWERED
    )
    calling = _calls(Channel.EMAIL, LogEvent.CALLING).filter(window.of("at"))
    return calling.exclude(Exists(answered))


def _calls(channel: Channel, event: LogEvent) -> QuerySet[NotificationDeliveryLog]:
    """Lines about calls of SES (by whichever way) or SNS, and not of the console or a person."""
    return NotificationDeliveryLog.objects.filter(
        delivery__channel=channel, event=event, provider__startswith=_provider(channel)
    )


def _provider(channel: Channel) -> str:
    return "ses" if channel == Channel.EMAIL else "sns"


def _attempts(lines: QuerySet[NotificationDeliveryLog]) -> int:
    # A report that overtook its call has written the same line before it.
    return lines.order_by().values("delivery_id", "attempt").distinct().count()


def _simulated(window: Window) -> int:
    reports = _reports("ses").filter(window.of("occurred_at"))
    ours = reports.filter(is_simulated=True).exclude(delivery=None)
    return messages(ours)


def _reports(provider: str, *kinds: EventKind) -> QuerySet[ProviderEvent]:
    """Of these kinds, or of any."""
    reports = ProviderEvent.objects.filter(provider=provider)
    return reports.filter(kind__in=kinds) if kinds else reports


def _same_message() -> Q:
    return Q(provider_message_id=OuterRef("provider_message_id"))


def messages(reports: QuerySet[ProviderEvent]) -> int:
    """How many messages the reports are about."""
    return reports.order_by().values("provider_message_id").distinct().count()


def _total(rows: QuerySet[Any], field: str) -> Decimal:
    return rows.aggregate(total=Sum(field))["total"] or Decimal(0)
