"""Finds the hop at which a round trip broke, and the doctor's checks that say why."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from apps.aws.doctor import examination
from apps.core.audit.findings import Status
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.states import SOURCES, Channel, DeliveryState, LogEvent, LogSource


class Hop(StrEnum):
    """The hops of one message, in their order."""

    #: A worker claims the delivery.
    WORKER = "worker"
    #: The provider accepts the message.
    PROVIDER = "provider"
    #: The provider's event arrives, is trusted and stored.
    EVENT = "event"
    #: The event finds the delivery and moves it to the expected state.
    DELIVERY = "delivery"


@dataclass(frozen=True)
class Broken:
    """The hop that broke; `likely` are the doctor's findings about it that are not ok."""

    hop: Hop
    why: str
    likely: list[examination.Examined] = field(default_factory=list)
    do: str = ""

    def as_dict(self) -> dict[str, Any]:
        likely = [line.as_dict() for line in self.likely]
        return {"hop": self.hop.value, "why": self.why, "do": self.do, "likely": likely}


#: The doctor's checks of a hop: their ids, or what those begin with.
_CHECKS: dict[tuple[Hop, Channel], tuple[str, ...]] = {
    (Hop.WORKER, Channel.EMAIL): ("workers.", "redis.reachable", "redis.writable"),
    (Hop.WORKER, Channel.SMS): ("workers.", "redis.reachable", "redis.writable"),
    (Hop.PROVIDER, Channel.EMAIL): ("email.", "events.configuration_set", "workers.channels"),
    (Hop.PROVIDER, Channel.SMS): ("credentials.", "sms.", "workers.channels"),
    (Hop.EVENT, Channel.EMAIL): ("events.", "settings.contradictions"),
    # The log is not read, or not written.
    (Hop.EVENT, Channel.SMS): (
        "workers.online",
        "workers.beat",
        "sms.delivery_log",
        "sms.log_group",
    ),
    (Hop.DELIVERY, Channel.EMAIL): ("workers.online", "workers.beat"),
    (Hop.DELIVERY, Channel.SMS): ("workers.online", "workers.beat"),
}
_REFUSALS = {
    LogEvent.TRANSIENT,
    LogEvent.PERMANENT,
    LogEvent.AMBIGUOUS,
    LogEvent.LOST_BEFORE_CALL,
    LogEvent.LOST_AFTER_CALL,
}
_WELL = "The doctor finds nothing about it."
_ELSEWHERE = {
    Hop.WORKER: f"{_WELL} Give it more time, with --timeout.",
    Hop.PROVIDER: "It is the provider's word.",
    Hop.EVENT: f"{_WELL} The site's log says what it refused or could not store.",
    Hop.DELIVERY: f"{_WELL} The delivery's page in the admin has its story.",
}


def where_it_broke(row: Delivery, ends: DeliveryState) -> Broken:
    """Name the hop at which a delivery stands that should be in the state `ends`."""
    hop, why = _broken_hop(row, ends)
    if row.state == DeliveryState.SKIPPED:
        return Broken(hop, why)
    wanted = _CHECKS[hop, Channel(row.channel)]
    likely = [each for each in examination.examine(*wanted) if each.finding.status != Status.OK]
    return Broken(hop, why, likely, "" if likely else _ELSEWHERE[hop])


def is_of_event(entry: NotificationDeliveryLog) -> bool:
    """Return whether an event made the log entry, rather than a call or its answer."""
    return entry.source == LogSource.EVENT


def _broken_hop(row: Delivery, ends: DeliveryState) -> tuple[Hop, str]:
    lines = [line for line in row.log.all() if not is_of_event(line)]
    reported = [event.kind for event in row.provider_events.all()]
    if row.state == DeliveryState.SKIPPED:
        return Hop.WORKER, f"it was not sent: {row.reason}"
    if not reported and all(line.event != LogEvent.ACCEPTED for line in lines):
        return _not_accepted(row, lines)
    if not reported:
        return _without_event(row)
    if ends in reported or row.state not in SOURCES[ends]:
        return Hop.DELIVERY, f"it is {row.state}, and should be {ends}: {row.reason}".rstrip(": ")
    return Hop.EVENT, f"its events are {', '.join(reported)}, and {ends} is not among them"


def _not_accepted(row: Delivery, lines: list[NotificationDeliveryLog]) -> tuple[Hop, str]:
    if refusals := [line for line in lines if line.event in _REFUSALS]:
        return Hop.PROVIDER, entry_text(refusals[-1])
    if row.attempts:
        return Hop.PROVIDER, "a worker has it, and the provider has not answered yet"
    before = Delivery.objects.filter(
        state=DeliveryState.DUE, priority__lte=row.priority, next_attempt_at__lte=Now()
    ).exclude(notification__kind=row.notification.kind)
    waiting = f"; due beside it: {count:,}" if (count := before.count()) else ""
    return Hop.WORKER, f"it is due, and no worker took it{waiting}"


def _without_event(row: Delivery) -> tuple[Hop, str]:
    its = Q(delivery_ref=row.pk)
    if row.provider_message_id:
        its |= Q(provider_message_id=row.provider_message_id)
    stray = ProviderEvent.objects.filter(its, delivery=None).values_list("kind", flat=True)
    if kinds := list(stray):
        return Hop.DELIVERY, f"{', '.join(kinds)} came, and no event was matched with its delivery"
    if row.channel == Channel.SMS and not settings.SMS_DELIVERY_LOG_GROUP:
        return Hop.EVENT, "its outcome is not read: SMS_DELIVERY_LOG_GROUP is empty"
    return Hop.EVENT, "the provider accepted it, and no event came"


def entry_text(line: NotificationDeliveryLog) -> str:
    """Write what the log entry says in one line."""
    said = " ".join(f"{line.code} {line.detail}".split())
    return f"{line.get_event_display().lower()}: {said}" if said else line.get_event_display()
