"""Sends messages to recipients that AWS simulates, and follows each until its event has come back.

Nothing here is a shortcut: NotificationService writes the rows, the running workers send them, and
AWS's events come back as they always do. This process only reads the database.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from apps.aws.kinds import LOOPBACK
from apps.core.delivery import transitions
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.reasons import Reason
from apps.core.services.notification import NotificationService
from apps.core.states import (
    FINISHED,
    SENT,
    SOURCES,
    Channel,
    DeliveryState,
    LogEvent,
    Priority,
    Via,
)

from . import simulated_recipients
from .hops import Broken, Hop, entry_text, is_of_event, where_it_broke
from .simulated_recipients import Recipient

#: Seconds until a message's event should have come back. SES's events come within seconds; SNS's
#: receipts take minutes, and now and then hours.
PATIENCE_S = {Channel.EMAIL: 120.0, Channel.SMS: 900.0}
_LOOK_S = 0.25


class PassedHop(NamedTuple):
    """One hop that a message has passed, and when: seconds after its row was written."""

    hop: Hop
    at_s: float
    said: str


@dataclass
class Journey:
    """One message on its way."""

    recipient: Recipient
    delivery_id: UUID
    deadline: float
    steps: list[PassedHop] = field(default_factory=list)
    is_home: bool = False
    broken: Broken | None = None
    #: The log entries and events that were passed on already.
    seen: set[tuple[type, int]] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.is_home or self.broken is not None

    def as_dict(self) -> dict[str, Any]:
        return {
            "to": self.recipient.name,
            "address": self.recipient.address,
            "expected": self.recipient.ends.value,
            "ok": self.is_home,
            "delivery": str(self.delivery_id),
            "steps": [step._asdict() for step in self.steps],
            "broken": self.broken.as_dict() if self.broken else None,
        }


#: Called with each hop that is passed, and with a hop that broke.
Tell = Callable[[Journey, PassedHop | Broken], None]


def send_round(
    recipients: list[Recipient], run: str, tell: Tell, *, timeout_s: float | None = None
) -> list[Journey]:
    """Send a message to each recipient; follow it until its event is back or its time is up.

    `timeout_s`: seconds for each, instead of PATIENCE_S. At the end nothing of the run is left to
    be sent, and none of its suppressions. Raises CannotStart.
    """
    patience = [timeout_s or PATIENCE_S[each.channel] for each in recipients]
    with simulated_recipients.hold_lock(timedelta(seconds=max(patience, default=0.0))):
        simulated_recipients.forget_suppressions(recipients)
        journeys: list[Journey] = []
        try:
            for recipient, seconds in zip(recipients, patience, strict=True):
                journeys.append(_begin(recipient, run, seconds))
            _follow(journeys, tell)
        finally:
            _withdraw(journeys)
            simulated_recipients.forget_suppressions(recipients)
    return journeys


def _begin(recipient: Recipient, run: str, patience_s: float) -> Journey:
    # With these priorities each message has one delivery that is sent, on its channel.
    priority = Priority.URGENT if recipient.channel == Channel.SMS else Priority.MEDIUM
    with transaction.atomic():
        [notification] = NotificationService().notify(
            LOOPBACK.name,
            simulated_recipients.user_for(recipient),
            {"simulates": recipient.name, "run": run},
            priority=priority,
            action_url="/",
        )
        delivery = notification.deliveries.get(channel=recipient.channel)
    return Journey(recipient, delivery.pk, time.monotonic() + patience_s)


def _follow(journeys: list[Journey], tell: Tell) -> None:
    while waiting := [journey for journey in journeys if not journey.is_over]:
        rows = _rows(waiting)
        for journey in waiting:
            _look(journey, rows[journey.delivery_id], tell)
        if not all(journey.is_over for journey in waiting):
            time.sleep(_LOOK_S)


def _rows(journeys: list[Journey]) -> dict[UUID, Delivery]:
    deliveries = Delivery.objects.select_related("notification")
    return deliveries.prefetch_related("log", "provider_events").in_bulk(
        [journey.delivery_id for journey in journeys]
    )


def _look(journey: Journey, row: Delivery, tell: Tell) -> None:
    for step in sorted(_new_hops(journey, row), key=lambda step: step.at_s):
        journey.steps.append(step)
        tell(journey, step)
    ends = journey.recipient.ends
    if row.state == ends:
        journey.is_home = True
        last = PassedHop(Hop.DELIVERY, _since(row, row.finished_at), f"is {ends}, as it should be")
        journey.steps.append(last)
        tell(journey, last)
    elif _is_lost(row, ends) or time.monotonic() > journey.deadline:
        journey.broken = where_it_broke(row, ends)
        tell(journey, journey.broken)


def _is_lost(row: Delivery, ends: DeliveryState) -> bool:
    """Return whether no later event can bring it to the expected state."""
    return row.state in FINISHED and (row.state not in SENT or row.state not in SOURCES[ends])


def _new_hops(journey: Journey, row: Delivery) -> Iterator[PassedHop]:
    """Yield the hops that were passed since the last look."""
    for line in row.log.all():
        # The log entry of an event says what the event does.
        if _is_new(journey, line) and not is_of_event(line):
            yield PassedHop(*_of_entry(line, _since(row, line.at)))
    for event in row.provider_events.all():
        if _is_new(journey, event):
            yield PassedHop(Hop.EVENT, _since(row, event.received_at), _of_event(event))


def _is_new(journey: Journey, told: NotificationDeliveryLog | ProviderEvent) -> bool:
    key = (type(told), told.pk)
    is_new = key not in journey.seen
    journey.seen.add(key)
    return is_new


def _of_entry(line: NotificationDeliveryLog, at_s: float) -> tuple[Hop, float, str]:
    if line.event == LogEvent.CALLING:
        return Hop.WORKER, at_s, "taken by a worker"
    if line.event == LogEvent.ACCEPTED:
        return Hop.PROVIDER, at_s, f"accepted by {line.provider}: {line.provider_message_id}"
    hop = Hop.WORKER if line.event == LogEvent.SKIPPED else Hop.PROVIDER
    return hop, at_s, entry_text(line)


def _of_event(event: ProviderEvent) -> str:
    said = event.detail if event.via == Via.LOG else event.code
    return f"reported {event.kind}, by the {event.via}{f' ({said})' if said else ''}"


def _since(row: Delivery, moment: datetime | None) -> float:
    return round((moment - row.created_at).total_seconds(), 2) if moment else 0.0


def _withdraw(journeys: list[Journey]) -> None:
    """Withdraw what no worker has claimed: the command no longer follows it."""
    for row in _rows([journey for journey in journeys if not journey.is_home]).values():
        transitions.skip_due(row, "the loopback that it belonged to is over", Reason.EXPIRED)
