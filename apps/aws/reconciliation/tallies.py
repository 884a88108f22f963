"""Counts the ledger within a window of time, to compare with AWS's counts.

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
from apps.core.models import Alarm, Delivery, NotificationDeliveryLog, ProviderEvent, SMSSpend
from apps.core.states import Channel, EventCause, EventKind, LogEvent

#: Near an end of a window a message may be counted or not: clocks differ, and AWS counts late.
EDGE = timedelta(minutes=15)
#: The events that say how an e-mail ended.
ENDS = (EventKind.DELIVERED, EventKind.BOUNCED, EventKind.COMPLAINED, EventKind.REJECTED)

#: Log entries that end a call: it was accepted, or certainly not.
_ANSWERED = (
    LogEvent.ACCEPTED,
    LogEvent.TRANSIENT,
    LogEvent.PERMANENT,
    LogEvent.SKIPPED,
    LogEvent.NOT_CALLED,
)


@dataclass(frozen=True)
class Window:
    """The time after `start` up to and including `end`."""

    start: datetime
    end: datetime

    @property
    def narrow(self) -> "Window":
        return Window(self.start + EDGE, self.end - EDGE)

    @property
    def wide(self) -> "Window":
        return Window(self.start - EDGE, self.end + EDGE)

    def of(self, field: str) -> Q:
        """Return the condition that this field lies in the window."""
        return Q(**{f"{field}__gt": self.start, f"{field}__lte": self.end})

    @property
    def occurred(self) -> Q:
        """Return the condition that an event occurred in the window.

        It was received later, unless clocks differ; that column has the index.
        """
        return self.of("occurred_at") & Q(received_at__gt=self.start - EDGE)


class Range(NamedTuple):
    """A count between these two, both included."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


class Spend(NamedTuple):
    """US dollars of a month.

    `committed` is the ledger's, `unconfirmed` the part of it without a receipt yet, `foreign` what
    receipts of no delivery name besides.
    """

    committed: Decimal
    unconfirmed: Decimal
    foreign: Decimal


def accepted_emails(window: Window) -> Range:
    """Count the calls that SES accepted, or may have, and counts for its quota."""
    sure = _accepted(Channel.EMAIL, window.narrow)
    possible = _accepted(Channel.EMAIL, window.wide)
    # SES bills the messages to its simulator and does not count them for the quota.
    least = _attempts(sure) - _simulated(window.wide)
    return Range(max(0, least), _attempts(possible) + _attempts(_unanswered(window.wide)))


def foreign_emails(window: Window) -> int:
    """Count the messages of which SES sent an event and that are no delivery."""
    sent = _events_of("ses", EventKind.SENT).filter(window.wide.occurred, delivery=None)
    return count_messages(sent)


def emails_with_event(kind: EventKind, window: Window) -> Range:
    """Count the messages with an event of this kind within the window."""
    events = _events_of("ses", kind)
    sure = events.filter(window.narrow.occurred).exclude(delivery=None)
    # SES does not document whether its metrics count these.
    sure = sure.exclude(Q(is_simulated=True) | Q(cause=EventCause.OWN_LIST))
    return Range(count_messages(sure), count_messages(events.filter(window.wide.occurred)))


def emails_without_end(window: Window) -> int:
    """Count the calls that SES accepted, or may have, and that have no event of their end."""
    ended = _events_of("ses", *ENDS).filter(_same_message())
    taken = _accepted(Channel.EMAIL, window.wide).exclude(Exists(ended))
    return _attempts(taken) + _attempts(_unanswered(window.wide))


def without_event(channel: Channel, window: Window, *kinds: EventKind) -> dict[int, UUID]:
    """Return the accepted deliveries without an event of these kinds, or of any.

    Each is under the id of its log entry ACCEPTED, the oldest first.
    """
    events = _events_of(_provider(channel), *kinds).filter(_same_message())
    lines = _accepted(channel, window).exclude(provider_message_id="")
    silent = lines.exclude(Exists(events)).order_by("at", "pk")
    return dict(silent.values_list("pk", "delivery_id"))


def accepted_texts(window: Window) -> int:
    """Count the calls that SNS accepted."""
    return _attempts(_accepted(Channel.SMS, window))


def texts_with_receipt(kind: EventKind, window: Window) -> Range:
    """Count the texts with a receipt of this kind, which names the time of the call."""
    lines = _events_of("sns", kind)
    sure = lines.filter(window.narrow.of("occurred_at"), window.narrow.of("received_at"))
    possible = lines.filter(window.wide.occurred | window.wide.of("received_at"))
    return Range(count_messages(sure.exclude(delivery=None)), count_messages(possible))


def foreign_events(provider: str, window: Window) -> QuerySet[ProviderEvent]:
    """Return the events of the window that belong to no delivery."""
    return _events_of(provider).filter(window.of("received_at"), delivery=None)


def alarm_texts(window: Window) -> int:
    """Count the times that alarms were told by text. One text may tell several."""
    starts = Alarm.objects.filter(window.of("start_texted_at"))
    return starts.count() + Alarm.objects.filter(window.of("end_texted_at")).count()


def spend() -> Spend:
    """Add up the present month."""
    month = this_month()
    row = SMSSpend.objects.filter(month=month).first()
    priced = _events_of("sns").exclude(price_usd=None)
    # A delivery names the message of its present attempt, whose money it holds.
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
    """Return the log entries of calls to SES or SNS, not to the console or by a person."""
    return NotificationDeliveryLog.objects.filter(
        delivery__channel=channel, event=event, provider__startswith=_provider(channel)
    )


def _provider(channel: Channel) -> str:
    return "ses" if channel == Channel.EMAIL else "sns"


def _attempts(lines: QuerySet[NotificationDeliveryLog]) -> int:
    # An event that overtook its call has written the same entry before it.
    return lines.order_by().values("delivery_id", "attempt").distinct().count()


def _simulated(window: Window) -> int:
    events = _events_of("ses").filter(window.occurred)
    ours = events.filter(is_simulated=True).exclude(delivery=None)
    return count_messages(ours)


def _events_of(provider: str, *kinds: EventKind) -> QuerySet[ProviderEvent]:
    """Return the provider's events of these kinds, or of any."""
    events = ProviderEvent.objects.filter(provider=provider)
    return events.filter(kind__in=kinds) if kinds else events


def _same_message() -> Q:
    return Q(provider_message_id=OuterRef("provider_message_id"))


def count_messages(events: QuerySet[ProviderEvent]) -> int:
    """Count the messages that the events are about."""
    return events.order_by().values("provider_message_id").distinct().count()


def _total(rows: QuerySet[Any], field: str) -> Decimal:
    return rows.aggregate(total=Sum(field))["total"] or Decimal(0)
