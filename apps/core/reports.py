"""The books: every delivery stands in one state, and its log must say how it came there."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from . import conf, outcomes
from .models import ChannelStop, Delivery, Notification, NotificationDeliveryLog
from .routing import CHANNELS
from .states import FINISHED, TAKEN, DeliveryState, LogEvent

#: The lines of the log of which a delivery in this state must have one.
EVIDENCE: dict[DeliveryState, tuple[LogEvent, ...]] = {
    DeliveryState.ACCEPTED: (LogEvent.ACCEPTED,),
    DeliveryState.DELIVERED: (LogEvent.DELIVERED,),
    DeliveryState.BOUNCED: (LogEvent.BOUNCED,),
    DeliveryState.COMPLAINED: (LogEvent.COMPLAINED,),
    DeliveryState.REJECTED: (LogEvent.PERMANENT,),
    DeliveryState.SKIPPED: (LogEvent.SKIPPED,),
    DeliveryState.EXHAUSTED: (LogEvent.TRANSIENT, LogEvent.LEASE_EXPIRED),
    DeliveryState.UNKNOWN: (LogEvent.AMBIGUOUS, LogEvent.LEASE_EXPIRED),
    DeliveryState.RETRYING: (LogEvent.TRANSIENT, LogEvent.LEASE_EXPIRED),
}
#: The lines that say that the provider had the message.
TAKEN_LINES = (LogEvent.ACCEPTED, LogEvent.DELIVERED, LogEvent.BOUNCED, LogEvent.COMPLAINED)
#: How long after its lease a delivery may still stand in `sending`: the sweep comes every 15 s.
GRACE = timedelta(minutes=2)


@dataclass(frozen=True)
class Discrepancy:
    """One row that the books cannot explain."""

    row: str
    problem: str


@dataclass(frozen=True)
class Ledger:
    """`states`, `taken`, `resent` and `perhaps_twice` count deliveries: `taken` those that the
    provider had, by the log; `resent` those that it had in two attempts; `perhaps_twice` those that
    were called for again after an attempt of which nobody knew. `stopped` says of a channel that
    stands still why.
    """

    notifications: int
    deliveries: int
    states: dict[str, int]
    taken: int
    resent: int
    perhaps_twice: int
    stopped: dict[str, list[str]]
    discrepancies: list[Discrepancy]

    @property
    def balances(self) -> bool:
        return not self.discrepancies

    def as_dict(self) -> dict[str, Any]:
        return {"balances": self.balances, **asdict(self)}


def ledger(since: datetime | None = None) -> Ledger:
    """The books over the notifications made since then, or over all there are."""
    notifications = Notification.objects.all()
    if since:
        notifications = notifications.filter(created_at__gte=since)
    deliveries = Delivery.objects.filter(notification__in=notifications)
    counts = dict(deliveries.order_by().values_list("state").annotate(Count("pk")))
    twice = _taken_twice(deliveries)
    found = [
        *_without_deliveries(notifications),
        *_without_evidence(deliveries),
        *_taken_only_in_the_log(deliveries),
        *_stuck(deliveries),
        *_twice_without_policy(twice),
    ]
    return Ledger(
        notifications=notifications.count(),
        deliveries=sum(counts.values()),
        states={state.value: counts.get(state.value, 0) for state in DeliveryState},
        taken=_logged(deliveries, *TAKEN_LINES).count(),
        resent=twice.count(),
        perhaps_twice=_perhaps_twice(deliveries).count(),
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
    outside = [priority for priority, channels in CHANNELS.items() if channels]
    bare = notifications.filter(priority__in=outside, deliveries=None)
    for pk in bare.values_list("pk", flat=True):
        yield Discrepancy(f"notification {pk}", "has no delivery, and its priority asks for one")


def _without_evidence(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    # What finished before the retention has lost its log, as it should.
    kept = ~Q(state__in=FINISHED) | Q(finished_at__gte=Now() - conf.log_retention())
    for state, events in EVIDENCE.items():
        silent = deliveries.filter(kept, ~_lines(*events), state=state)
        for pk in silent.values_list("pk", flat=True):
            yield Discrepancy(f"delivery {pk}", f"is {state}, and no line of its log says so")


def _taken_only_in_the_log(deliveries: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    # What the provider took, it may have rejected afterwards. One that was resent by policy may be
    # on its way again.
    odd = _logged(deliveries, *TAKEN_LINES).exclude(state__in=TAKEN | {DeliveryState.REJECTED})
    for pk, state in odd.exclude(_lines(LogEvent.RESEND)).values_list("pk", "state"):
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


def _taken_twice(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    taken = Count("log__attempt", filter=Q(log__event__in=TAKEN_LINES), distinct=True)
    return deliveries.annotate(times_taken=taken).filter(times_taken__gt=1)


def _perhaps_twice(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    lost = Q(log__event=LogEvent.LEASE_EXPIRED, log__detail=outcomes.AFTER_CALL)
    unknown = Min("log__attempt", filter=Q(log__event=LogEvent.AMBIGUOUS) | lost)
    called = Max("log__attempt", filter=Q(log__event=LogEvent.CALLING))
    return deliveries.annotate(unknown_at=unknown, called_at=called).filter(
        called_at__gt=F("unknown_at")
    )


def _twice_without_policy(twice: QuerySet[Delivery]) -> Iterator[Discrepancy]:
    for pk in twice.exclude(_lines(LogEvent.RESEND)).values_list("pk", flat=True):
        yield Discrepancy(f"delivery {pk}", "was accepted twice, and no policy said to send again")
