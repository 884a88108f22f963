"""Read from the delivery log which outcomes were unknown, and which duplicates that explains.

Apart from how soon a claimed delivery is due again, this is the only question that the
application's own records answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F

from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.states import PENDING, UNKNOWN_EVENTS, DeliveryState, LogEvent
from chaos.arrivals import Key
from chaos.producer import PlannedNotification


@dataclass(frozen=True)
class Doubt:
    """What the log says about one delivery's unknown outcomes."""

    #: Whether its outcome was unknown at any time.
    was_unknown: bool
    #: How often it was sent again after that.
    resends: int


def read_doubts(notifications: Iterable[PlannedNotification]) -> dict[Key, Doubt]:
    """Return the doubt about each delivery of these notifications."""
    ours = [each.job_number for each in notifications]
    rows = Delivery.objects.filter(notification__dedup_key__in=ours)
    states = {
        (job_number, channel): state
        for job_number, channel, state in rows.values_list(
            "notification__dedup_key", "channel", "state"
        )
    }
    entries: dict[Key, list[str]] = {key: [] for key in states}
    log = NotificationDeliveryLog.objects.filter(delivery__notification__dedup_key__in=ours)
    for job_number, channel, event in log.order_by("at", "id").values_list(
        "delivery__notification__dedup_key", "delivery__channel", "event"
    ):
        entries[job_number, channel].append(event)
    return {key: _doubt(entries[key], states[key]) for key in states}


def _doubt(events: Iterable[str], state: str) -> Doubt:
    was_unknown, resends = False, 0
    for event in events:
        if event in UNKNOWN_EVENTS:
            was_unknown = True
        elif event == LogEvent.RESEND:
            resends += was_unknown
    return Doubt(was_unknown or state == DeliveryState.UNKNOWN, resends)


def unexplained(duplicates: dict[Key, int], doubts: dict[Key, Doubt]) -> list[Key]:
    """Return the messages that arrived again more often than the log says they were resent."""
    return [
        key for key, count in duplicates.items() if key not in doubts or doubts[key].resends < count
    ]


def announced() -> set[UUID]:
    """Return the deliveries whose call is announced and whose outcome is not recorded."""
    called = Delivery.objects.filter(
        state=DeliveryState.SENDING, log__event=LogEvent.CALLING, log__attempt=F("attempts")
    )
    return set(called.values_list("pk", flat=True))


def count_unfinished() -> int:
    """Count the deliveries that will still change without a person's help."""
    moving = PENDING | {DeliveryState.SENDING}
    waiting = Delivery.objects.filter(state=DeliveryState.UNKNOWN, next_attempt_at__isnull=False)
    return Delivery.objects.filter(state__in=moving).count() + waiting.count()
