"""Check our own records: the log of each delivery must explain the state of its row."""

from collections.abc import Callable, Iterator
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
from apps.core.reasons import STALE_REASONS
from apps.core.states import (
    FINISHED,
    SENT,
    UNKNOWN_EVENTS,
    DeliveryState,
    LogEvent,
    Priority,
)

#: For each state, the log events of which a delivery in it must have one.
EVIDENCE: dict[DeliveryState, tuple[LogEvent, ...]] = {
    DeliveryState.ACCEPTED: (LogEvent.ACCEPTED,),
    DeliveryState.DELIVERED: (LogEvent.DELIVERED,),
    DeliveryState.BOUNCED: (LogEvent.BOUNCED,),
    DeliveryState.COMPLAINED: (LogEvent.COMPLAINED,),
    DeliveryState.REJECTED: (LogEvent.PERMANENT,),
    DeliveryState.SKIPPED: (LogEvent.SKIPPED,),
    DeliveryState.HELD: (LogEvent.HELD,),
    DeliveryState.FOLDED: (LogEvent.FOLDED,),
    DeliveryState.EXHAUSTED: (LogEvent.TRANSIENT, LogEvent.LOST_BEFORE_CALL),
    DeliveryState.UNKNOWN: UNKNOWN_EVENTS,
    DeliveryState.RETRYING: (LogEvent.TRANSIENT, LogEvent.LOST_BEFORE_CALL),
}
#: Log events that say that the provider accepted the message.
ACCEPTED_EVENTS = (LogEvent.ACCEPTED, LogEvent.DELIVERED, LogEvent.BOUNCED, LogEvent.COMPLAINED)
#: Of those, the ones after which it may have arrived.
ARRIVAL_EVENTS = (LogEvent.ACCEPTED, LogEvent.DELIVERED, LogEvent.COMPLAINED)
#: Log events that say that an accepted message has not arrived.
FAILURE_EVENTS = (LogEvent.BOUNCED, LogEvent.PERMANENT)
#: The final states after which another delivery stands in, if one can.
FAILED = (
    DeliveryState.REJECTED,
    DeliveryState.EXHAUSTED,
    DeliveryState.SKIPPED,
    DeliveryState.BOUNCED,
)
#: How long after its lease a delivery may still be `sending`: the sweep comes every 15 s.
GRACE = timedelta(minutes=2)
#: How long after its time a delivery may still wait for a sweep: the slower one comes every
#: 5 minutes.
OVERDUE = timedelta(minutes=10)
#: How long after its time a delivery may still be held: releases keep to the channel's pace.
LATE_RELEASE = timedelta(hours=6)


@dataclass(frozen=True)
class Discrepancy:
    """One row that our records cannot explain."""

    row: str
    problem: str


@dataclass(frozen=True)
class Month:
    """The text messages of a month, in US dollars: committed in its budget, and in its deliveries.

    The difference was for attempts of unknown outcome that were sent again, and for deleted
    deliveries.
    """

    month: date
    committed_usd: Decimal
    deliveries_usd: Decimal


@dataclass(frozen=True)
class Ledger:
    """Counts of notifications and deliveries, and the discrepancies between the records."""

    notifications: int
    deliveries: int
    #: Deliveries in each state.
    states: dict[str, int]
    #: Deliveries that the provider accepted according to the log.
    taken: int
    #: Deliveries that it accepted in two attempts.
    resent: int
    #: Deliveries with a further call after an attempt of unknown outcome.
    perhaps_twice: int
    #: The months for which deliveries hold money.
    money: list[Month]
    #: Why each stopped channel is stopped.
    stopped: dict[str, list[str]]
    discrepancies: list[Discrepancy]

    @property
    def balances(self) -> bool:
        return not self.discrepancies

    def as_dict(self) -> dict[str, Any]:
        return {"balances": self.balances, **asdict(self)}


def ledger(
    since: datetime | None = None, tell: Callable[[str], None] = lambda step: None
) -> Ledger:
    """Check all records, or the deliveries made or finished since then; the money by whole months.

    With `since`, older rows are not read, except that stuck ones are found whatever their age.
    `tell` gets the name of each step when it begins.

    A due delivery may wait for hours in a backlog, and for days while its channel is stopped. So
    the ledger does not ask how long it has been due; the doctor asks whether workers are running.
    """
    notifications, deliveries = Notification.objects.all(), Delivery.objects.all()
    if since:
        notifications = notifications.filter(created_at__gte=since)
        deliveries = deliveries.filter(Q(created_at__gte=since) | Q(finished_at__gte=since))
    twice = _accepted_twice(deliveries)
    tell("the money")
    money = _money(since)
    checks = {
        "notifications without a delivery": _without_deliveries(notifications),
        "failures without a stand-in": _without_stand_in(deliveries),
        "states without an entry in the log": _without_evidence(deliveries),
        "acceptances in the log alone": _accepted_only_in_the_log(deliveries),
        "stuck deliveries": _stuck(Delivery.objects.all()),
        "folded deliveries without a carrier": _without_carrier(deliveries),
        "deliveries accepted twice": _twice_without_policy(twice),
    }
    found = list(_overspent(money))
    for step, discrepancies in checks.items():
        tell(step)
        found += discrepancies
    tell("the counts")
    counts = dict(deliveries.order_by().values_list("state").annotate(Count("pk")))
    return Ledger(
        notifications=notifications.count(),
        deliveries=sum(counts.values()),
        states={state.value: counts.get(state.value, 0) for state in DeliveryState},
        taken=_logged(deliveries, *ACCEPTED_EVENTS).count(),
        resent=twice.count(),
        perhaps_twice=_perhaps_twice(deliveries).count(),
        money=money,
        stopped=_stopped(),
        discrepancies=found,
    )


def _without_deliveries(notifications: QuerySet[Notification]) -> Iterator[Discrepancy]:
    # A delivery that is skipped from the start has a row too. A message about one address goes by
    # that address's channel alone.
    direct = Delivery.objects.filter(notification=OuterRef("pk")).exclude(direct_to="")
    for priority, channels in routing.CHANNELS.items():
        for channel in channels:
            its = Delivery.objects.filter(notification=OuterRef("pk"), channel=channel)
            bare = notifications.filter(~Exists(its), ~Exists(direct), priority=priority)
            problem = f"has no delivery by {channel.label.lower()}, and its priority asks for one"
            for pk in bare.values_list("pk", flat=True):
                yield Discrepancy(f"notification {pk}", problem)


def _without_stand_in(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    for priority in Priority:
        if (channel := routing.fallback(priority)) is None:
            continue
        stand_in = Delivery.objects.filter(notification=OuterRef("notification"), channel=channel)
        alone = deliveries.filter(~Exists(stand_in), state__in=FAILED, priority=priority)
        # Nothing stands in for what has become pointless.
        alone = alone.exclude(decision__in=STALE_REASONS)
        for pk, state in alone.values_list("pk", "state"):
            problem = f"is {state}, and no {channel.label.lower()} stands in for it"
            yield Discrepancy(f"delivery {pk}", problem)


def _without_evidence(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    # The log of a delivery that finished before the retention is deleted.
    kept = ~Q(state__in=FINISHED) | Q(finished_at__gte=Now() - conf.log_retention())
    for state, events in EVIDENCE.items():
        silent = deliveries.filter(kept, ~_has_entry(*events), state=state)
        for pk in silent.values_list("pk", flat=True):
            yield Discrepancy(f"delivery {pk}", f"is {state}, and no entry of its log says so")


def _accepted_only_in_the_log(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    entries = NotificationDeliveryLog.objects.all()
    failed = entries.filter(
        delivery=OuterRef("delivery"), attempt=OuterRef("attempt"), event__in=FAILURE_EVENTS
    )
    kept = entries.filter(~Exists(failed), delivery=OuterRef("pk"), event__in=ARRIVAL_EVENTS)
    # In a final state, only a failure of the same attempt explains the entry.
    hidden = deliveries.filter(Exists(kept), state__in=FINISHED - SENT)
    # The provider may reject a message after accepting it. A delivery that is sent again may still
    # be under way.
    explained = SENT | {DeliveryState.REJECTED}
    unexplained = _logged(deliveries, *ACCEPTED_EVENTS).exclude(state__in=explained)
    unasked = unexplained.exclude(_has_entry(LogEvent.RESEND))
    found = dict(hidden.values_list("pk", "state")) | dict(unasked.values_list("pk", "state"))
    for pk, state in found.items():
        yield Discrepancy(f"delivery {pk}", f"was accepted according to its log, and is {state}")


def _stuck(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    waiting = [DeliveryState.DUE, DeliveryState.RETRYING]
    endless = deliveries.filter(state__in=waiting, next_attempt_at=None)
    for pk in endless.values_list("pk", flat=True):
        yield Discrepancy(f"delivery {pk}", "waits without a time for its next attempt")
    sending = deliveries.filter(state=DeliveryState.SENDING)
    forgotten = sending.filter(Q(lease_until=None) | Q(lease_until__lt=Now() - GRACE))
    for pk in forgotten.values_list("pk", flat=True):
        yield Discrepancy(
            f"delivery {pk}", "is held by a worker whose lease is over; is beat running?"
        )
    swept = [DeliveryState.RETRYING, DeliveryState.UNKNOWN]
    overdue = deliveries.filter(state__in=swept, next_attempt_at__lt=Now() - OVERDUE)
    for pk, state in overdue.values_list("pk", "state"):
        problem = f"is {state}, and its time was over {OVERDUE.seconds // 60} minutes ago"
        yield Discrepancy(f"delivery {pk}", f"{problem}; is beat running?")

    held = deliveries.filter(state=DeliveryState.HELD, release_at__lt=Now() - LATE_RELEASE)
    for pk in held.values_list("pk", flat=True):
        yield Discrepancy(
            f"delivery {pk}",
            f"is held, and its time was over {LATE_RELEASE.seconds // 3600} hours ago; "
            "is beat running?",
        )


def _without_carrier(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    carriers = Delivery.objects.exclude(state=DeliveryState.FOLDED)
    lost = deliveries.filter(
        ~Exists(carriers.filter(digest=OuterRef("digest"))), state=DeliveryState.FOLDED
    )
    for pk in lost.values_list("pk", flat=True):
        yield Discrepancy(f"delivery {pk}", "is folded, and no delivery carries its digest")


def _twice_without_policy(twice: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    entries = NotificationDeliveryLog.objects.all()
    of_delivery = Q(delivery=OuterRef("delivery"))
    # Each further acceptance needs a resend entry between the accepted attempt and itself.
    asked = entries.filter(
        of_delivery,
        event=LogEvent.RESEND,
        attempt__gte=OuterRef("attempt"),
        attempt__lt=OuterRef(OuterRef("attempt")),
    )
    before = entries.filter(
        of_delivery, ~Exists(asked), event__in=ACCEPTED_EVENTS, attempt__lt=OuterRef("attempt")
    )
    again = entries.filter(Exists(before), delivery=OuterRef("pk"), event__in=ACCEPTED_EVENTS)
    for pk in twice.filter(Exists(again)).values_list("pk", flat=True):
        yield Discrepancy(f"delivery {pk}", "was accepted twice, and no policy said to send again")


def _overspent(money: list[Month]) -> Iterator[Discrepancy]:
    for each in money:
        if each.deliveries_usd > each.committed_usd:
            yield Discrepancy(
                f"the budget of {each.month:%B %Y}",
                f"has {each.committed_usd} USD committed, and its deliveries hold "
                f"{each.deliveries_usd}",
            )


def _accepted_twice(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    accepted = Count("log__attempt", filter=Q(log__event__in=ACCEPTED_EVENTS), distinct=True)
    return _claimed_again(deliveries).annotate(times_accepted=accepted).filter(times_accepted__gt=1)


def _perhaps_twice(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    unknown = Min("log__attempt", filter=Q(log__event__in=UNKNOWN_EVENTS))
    called = Max("log__attempt", filter=Q(log__event=LogEvent.CALLING))
    return (
        _claimed_again(deliveries)
        .annotate(unknown_at=unknown, called_at=called)
        .filter(called_at__gt=F("unknown_at"))
    )


def _claimed_again(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Return the deliveries with a second attempt: the log of the others need not be read."""
    return deliveries.filter(attempts__gt=1)


def _money(since: datetime | None) -> list[Month]:
    # In one statement: between two statements, a worker may pay for a text.
    committed = SMSSpend.objects.filter(month=OuterRef("cost_month")).values("committed_usd")
    held = Delivery.objects.exclude(cost_month=None)
    if since:
        held = held.filter(cost_month__gte=since.astimezone(UTC).date().replace(day=1))
    months = held.order_by("cost_month").values_list("cost_month")
    return [
        # SQLite adds binary fractions.
        Month(month, spent or Decimal(0), round(total, sms_budget.PLACES))
        for month, total, spent in months.annotate(total=Sum("cost_usd")).annotate(
            spent=Subquery(committed)
        )
    ]


def _stopped() -> dict[str, list[str]]:
    stopped: dict[str, list[str]] = {}
    for stop in ChannelStop.objects.order_by("since"):
        stopped.setdefault(stop.channel, []).append(f"{stop.get_cause_display()}: {stop.reason}")
    return stopped


def _logged(deliveries: QuerySet[Delivery], *events: LogEvent) -> QuerySet[Delivery]:
    return deliveries.filter(_has_entry(*events))


def _has_entry(*events: LogEvent) -> Exists:
    return Exists(NotificationDeliveryLog.objects.filter(delivery=OuterRef("pk"), event__in=events))
