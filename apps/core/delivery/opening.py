"""Make the deliveries of a new notification: due, held or skipped, each with the reason.

`notify()` calls this once per notification. It asks no database.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from apps.core.message import decide, kinds
from apps.core.message.decide import Decision
from apps.core.message.kinds import NotificationKind
from apps.core.message.people import Person
from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.reasons import Verdict
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource, Priority

LOGGED = {DeliveryState.SKIPPED: LogEvent.SKIPPED, DeliveryState.HELD: LogEvent.HELD}


def deliveries(
    notification: Notification, person: Person, now: datetime, scheduled_for: datetime | None = None
) -> list[Delivery]:
    """Return a delivery for each channel of the notification, not saved yet."""
    found = decide.plan(
        kinds.get(notification.kind),
        person,
        Priority(notification.priority),
        max(now, scheduled_for or now),
    )
    return [_delivery(notification, *each, scheduled_for) for each in found.items()]


def entries(deliveries: Collection[Delivery]) -> list[NotificationDeliveryLog]:
    """Return the log entries of those that are not simply due, not saved yet."""
    return [
        NotificationDeliveryLog(
            delivery=row,
            attempt=0,
            event=LOGGED[DeliveryState(row.state)],
            source=LogSource.NOTIFY,
            code=row.held_for or row.decision,
            detail=row.reason,
        )
        for row in deliveries
        if row.state in LOGGED
    ]


def deputies(
    kind: NotificationKind, priority: Priority, everyone: Mapping[Any, Person], now: datetime
) -> set[Any]:
    """Return the ids of the deputies of people who have paused, if the kind asks for that.

    URGENT messages reach the person anyway. A deputy's own deputy is not asked.
    """
    if not kind.goes_to_deputy or priority == Priority.URGENT:
        return set()
    away = (p for p in everyone.values() if p.paused_until and p.paused_until > now)
    return {person.deputy_id for person in away if person.deputy_id} - set(everyone)


def _delivery(
    notification: Notification,
    channel: Channel,
    decision: Decision,
    scheduled_for: datetime | None,
) -> Delivery:
    row = Delivery(
        notification=notification,
        channel=channel,
        priority=notification.priority,
        **decision.columns(),
    )
    if decision.verdict == Verdict.SKIP:
        row.state = DeliveryState.SKIPPED
        row.reason = str(decision.reason.label)
        row.next_attempt_at = None
        row.finished_at = Now()
    elif decision.verdict == Verdict.HOLD:
        assert decision.until is not None
        row.state = DeliveryState.HELD
        row.next_attempt_at = None
        row.due_at = decision.until
    elif scheduled_for:
        row.due_at = row.next_attempt_at = scheduled_for
    return row
