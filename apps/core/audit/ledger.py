"""The books: every delivery stands in one state, and its log must say how it came there."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Now

from apps.core import conf
from apps.core.guards import sms_budget
from apps.core.message import routing
from apps.core.models import ChannelStop, Delivery, Notification, NotificationDeliveryLog, SMSSpend
from apps.core.states import (
    FINISHED,
    SENT,
    UNKNOWN_EVENTS,
    DeliveryState,
    LogEvent,
    Priority,
)

#: The lines of the log of which a delivery in this state must have one.
EVIDENCE: dict[DeliveryState, tuple[LogEvent, ...]] = {
    DeliveryState.ACCEPTED: (LogEvent.ACCEPTED,),
    DeliveryState.DELIVERED: (LogEvent.DELIVERED,),
    DeliveryState.BOUNCED: (LogEvent.BOUNCED,),
    DeliveryState.COMPLAINED: (LogEvent.COMPLAINED,),
    DeliveryState.REJECTED: (LogEvent.PERMANENT,),
    DeliveryState.SKIPPED: (LogEvent.SKIPPED,),
    DeliveryState.EXHAUSTED: (LogEvent.TRANSIENT, LogEvent.LOST_BEFORE_CALL),
    DeliveryState.UNKNOWN: UNKNOWN_EVENTS,
    DeliveryState.RETRYING: (LogEvent.TRANSIENT, LogEvent.LOST_BEFORE_CALL),
}
#: The lines that say that the provider had the message.
TAKEN_LINES = (LogEvent.ACCEPTED, LogEvent.DELIVERED, LogEvent.BOUNCED, LogEvent.COMPLAINED)
#: Those that say so where it may have arrived; and those that say of such an attempt that it has
#: not.
KEPT_LINES = (LogEvent.ACCEPTED, LogEvent.DELIVERED, LogEvent.COMPLAINED)
FAILED_LINES = (LogEvent.BOUNCED, LogEvent.PERMANENT)
#: The ends after which another delivery stands in, where one can.
FAILED = (
    DeliveryState.REJECTED,
    DeliveryState.EXHAUSTED,
    DeliveryState.SKIPPED,
    DeliveryState.BOUNCED,
)
#: How long after its lease a delivery may still stand in `sending`: the sweep comes every 15 s.
GRACE = timedelta(minutes=2)
#: How long after its time one may still wait to be retried, or to be settled by its policy, however
#: long the queue: the slower of the two sweeps comes every 5 minutes.
OVERDUE = timedelta(minutes=10)


@dataclass(frozen=True)
class Discrepancy:
    """One row that the books cannot explain."""

    row: str
    problem: str


@dataclass(frozen=True)
class Month:
    """The text messages of a month, in US dollars: what its budget has committed, and what the
    deliveries hold of that. The rest was for attempts of unknown outcome that were sent again, and
    for deliveries that were deleted.
    """

    month: date
    committed_usd: Decimal
    deliveries_usd: Decimal


@dataclass(frozen=True)
class Ledger:
    """`states`, `taken`, `resent` and `perhaps_twice` count deliveries: `taken` those that the
    provider had, by the log; `resent` those that it had in two attempts; `perhaps_twice` those that
    were called for again after an attempt of which nobody knew. `money` has the months in which
    deliveries hold any. `stopped` says of a channel that stands still why.
    """

    notifications: int
    deliveries: int
    states: dict[str, int]
    taken: int
    resent: int
    perhaps_twice: int
    money: list[Month]
    stopped: dict[str, list[str]]
    discrepancies: list[Discrepancy]

    @property
    def balances(self) -> bool:
        return not self.discrepancies

    def as_dict(self) -> dict[str, Any]:
        return {"balances": self.balances, **asdict(self)}


def ledger(since: datetime | None = None) -> Ledger:
    """The books over the notifications made since then, or over all there are; the money by whole
    months.

    Whether what is due is long overdue is not asked: a backlog may wait for hours, and a stopped
    channel for days. The doctor knows whether somebody works it off.
    """
    notifications, deliveries = Notification.objects.all(), Delivery.objects.all()
    if since:
        notifications = notifications.filter(created_at__gte=since)
        deliveries = deliveries.filter(notification__created_at__gte=since)
    counts = dict(deliveries.order_by().values_list("state").annotate(Count("pk")))
    twice = _taken_twice(deliveries)
    money = _money(since)
    found = [
        *_without_deliveries(notifications),
        *_without_stand_in(deliveries),
        *_without_evidence(deliveries),
        *_taken_only_in_the_log(deliveries),
        *_stuck(deliveries),
        *_twice_without_policy(twice),
        *_overspent(money),
    ]
    return Ledger(
        notifications=notifications.count(),
        deliveries=sum(counts.values()),
        states={state.value: counts.get(state.value, 0) for state in DeliveryState},
        taken=_logged(deliveries, *TAKEN_LINES).count(),
        resent=twice.count(),
        perhaps_twice=_perhaps_twice(deliveries).count(),
        money=money,
        stopped=_stopped(),
        discrepancies=found,
    )


def _stopped() -> dict[str, list[str]]:
    stopped: dict[str, list[str]] = {}
    for stop in ChannelStop.objects.order_by("since"):
        stopped.setdefault(stop.channel, []).append(f"{stop.get_cause_display()}: {stop.reason}")
    return stopped


def _lines(*events: LogEvent) -> Exists:
    return Exists(NotificationDeliveryLog.objects.filter(delivery=OuterRef("pk"), event__in=events))


def _logged(deliveries: QuerySet[Delivery], *events: LogEvent) -> QuerySet[Delivery]:
    return deliveries.filter(_lines(*events))


def _without_deliveries(notifications: QuerySet[Notification]) -> Iterator[Discrepancy]:
    # What is skipped from the start has a row too.
    for priority, channels in routing.CHANNELS.items():
        for channel in channels:
            its = Delivery.objects.filter(notification=OuterRef("pk"), channel=channel)
            bare = notifications.filter(~Exists(its), priority=priority)
            problem = f"has no delivery by {channel.label.lower()}, and its priority asks for one"
            for pk in bare.values_list("pk", flat=True):
                yield Discrepancy(f"notification {pk}", problem)


def _without_stand_in(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    for priority in Priority:
        if (channel := routing.fallback(priority)) is None:
            continue
        stand_in = Delivery.objects.filter(notification=OuterRef("notification"), channel=channel)
        alone = deliveries.filter(~Exists(stand_in), state__in=FAILED, priority=priority)
        for pk, state in alone.values_list("pk", "state"):
            problem = f"is {state}, and no {channel.label.lower()} stands in for it"
            yield Discrepancy(f"delivery {pk}", problem)


def _without_evidence(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    # What finished before the retention has lost its log, as it should.
    kept = ~Q(state__in=FINISHED) | Q(finished_at__gte=Now() - conf.log_retention())
    for state, events in EVIDENCE.items():
        silent = deliveries.filter(kept, ~_lines(*events), state=state)
        for pk in silent.values_list("pk", flat=True):
            yield Discrepancy(f"delivery {pk}", f"is {state}, and no line of its log says so")


def _taken_only_in_the_log(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    lines = NotificationDeliveryLog.objects.all()
    failed = lines.filter(
        delivery=OuterRef("delivery"), attempt=OuterRef("attempt"), event__in=FAILED_LINES
    )
    kept = lines.filter(~Exists(failed), delivery=OuterRef("pk"), event__in=KEPT_LINES)
    # Where its way has ended, nothing but a failure of that attempt explains the line.
    hidden = deliveries.filter(Exists(kept), state__in=FINISHED - SENT)
    # What the provider took, it may have rejected afterwards. One that was sent again may be on its
    # way still.
    odd = _logged(deliveries, *TAKEN_LINES).exclude(state__in=SENT | {DeliveryState.REJECTED})
    unasked = odd.exclude(_lines(LogEvent.RESEND))
    found = dict(hidden.values_list("pk", "state")) | dict(unasked.values_list("pk", "state"))
    for pk, state in found.items():
        yield Discrepancy(f"delivery {pk}", f"was accepted according to its log, and is {state}")


def _stuck(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    waiting = [DeliveryState.DUE, DeliveryState.RETRYING]
    for pk in deliveries.filter(state__in=waiting, next_attempt_at=None).values_list(
        "pk", flat=True
    ):
        yield Discrepancy(f"delivery {pk}", "waits, and nothing says until when")
    held = deliveries.filter(state=DeliveryState.SENDING)
    forgotten = held.filter(Q(lease_until=None) | Q(lease_until__lt=Now() - GRACE))
    for pk in forgotten.values_list("pk", flat=True):
        yield Discrepancy(
            f"delivery {pk}", "is held by a worker whose lease is over; is beat alive?"
        )
    swept = [DeliveryState.RETRYING, DeliveryState.UNKNOWN]
    overdue = deliveries.filter(state__in=swept, next_attempt_at__lt=Now() - OVERDUE)
    for pk, state in overdue.values_list("pk", "state"):
        problem = f"is {state}, and its time was over {OVERDUE.seconds // 60} minutes ago"
        yield Discrepancy(f"delivery {pk}", f"{problem}; is beat alive?")


def _taken_twice(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    taken = Count("log__attempt", filter=Q(log__event__in=TAKEN_LINES), distinct=True)
    return _claimed_again(deliveries).annotate(times_taken=taken).filter(times_taken__gt=1)


def _perhaps_twice(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    unknown = Min("log__attempt", filter=Q(log__event__in=UNKNOWN_EVENTS))
    called = Max("log__attempt", filter=Q(log__event=LogEvent.CALLING))
    return (
        _claimed_again(deliveries)
        .annotate(unknown_at=unknown, called_at=called)
        .filter(called_at__gt=F("unknown_at"))
    )


def _claimed_again(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those with a second attempt, which are few: the log of the others need not be read."""
    return deliveries.filter(attempts__gt=1)


def _twice_without_policy(twice: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    lines = NotificationDeliveryLog.objects.all()
    of_delivery = Q(delivery=OuterRef("delivery"))
    # Each further time wants a word of its own, between the attempt that was taken before and it.
    asked = lines.filter(
        of_delivery,
        event=LogEvent.RESEND,
        attempt__gte=OuterRef("attempt"),
        attempt__lt=OuterRef(OuterRef("attempt")),
    )
    before = lines.filter(
        of_delivery, ~Exists(asked), event__in=TAKEN_LINES, attempt__lt=OuterRef("attempt")
    )
    again = lines.filter(Exists(before), delivery=OuterRef("pk"), event__in=TAKEN_LINES)
    for pk in twice.filter(Exists(again)).values_list("pk", flat=True):
        yield Discrepancy(f"delivery {pk}", "was accepted twice, and no policy said to send again")


def _money(since: datetime | None) -> list[Month]:
    # In one statement, for a text may be paid for between two.
    committed = SMSSpend.objects.filter(month=OuterRef("cost_month")).values("committed_usd")
    held = Delivery.objects.exclude(cost_month=None)
    if since:
        held = held.filter(cost_month__gte=since.astimezone(UTC).date().replace(day=1))
    months = held.order_by("cost_month").values_list("cost_month")
    return [
        # SQLite adds in binary.
        Month(month, spent or Decimal(0), round(total, sms_budget.PLACES))
        for month, spent, total in months.annotate(spent=Subquery(committed), total=Sum("cost_usd"))
    ]


def _overspent(money: list[Month]) -> Iterator[Discrepancy]:
    for each in money:
        if each.deliveries_usd > each.committed_usd:
            yield Discrepancy(
                f"the budget of {each.month:%B %Y}",
                f"has {each.committed_usd} USD committed, and its deliveries hold "
                f"{each.deliveries_usd}",
            )
