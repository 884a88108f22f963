"""Whom each step of a repair's history told, for the office."""

from collections.abc import Sequence

from apps.site import told
from apps.site.told import Told

from .models import Repair, RepairEvent


def add_to(events: Sequence[RepairEvent], repair: Repair) -> None:
    """Set `told` of each event to the messages that it sent, those about the batch included."""
    rows = [repair, repair.batch] if repair.batch else [repair]
    causes = {event.pk: event for event in events}
    others: list[tuple[int, Told]] = []
    for event in events:
        event.told = []  # type: ignore[attr-defined]
    for each in told.of(rows):
        key = _event_key(each)
        if cause := causes.get(key):
            cause.told.append(each)  # type: ignore[attr-defined]
        else:
            others.append((key, each))
    for event, each in _of_siblings(events, others):
        event.told.append(each)  # type: ignore[attr-defined]


def _of_siblings(
    events: Sequence[RepairEvent], others: Sequence[tuple[int, Told]]
) -> list[tuple[RepairEvent, Told]]:
    """Pair messages that a repair of the same batch caused with this repair's nearest event."""
    causes = RepairEvent.objects.in_bulk([key for key, _ in others]) if others else {}
    return [
        (_nearest(events, causes[key]), each) for key, each in others if events and key in causes
    ]


def _nearest(events: Sequence[RepairEvent], cause: RepairEvent) -> RepairEvent:
    """Return the event of the same action, else of any, that happened nearest to the cause."""
    alike = [event for event in events if event.action == cause.action] or events
    return min(alike, key=lambda event: abs(event.at - cause.at))


def _event_key(each: Told) -> int:
    """Return the key of the event that caused a message: the end of its `dedup_key`, else 0."""
    key = each.notification.dedup_key.rpartition(":")[2]
    return int(key) if key.isdigit() else 0
