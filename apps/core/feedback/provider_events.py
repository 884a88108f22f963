"""Apply the providers' events to the deliveries that they are about.

Events come late, twice, out of order, before the call has returned, or about messages that are not
ours. Each is kept once. It moves its delivery forward by rank and never back. The row is locked, so
two events at once are applied one after the other.
"""

import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.core.delivery import stand_ins, transitions
from apps.core.guards import suppressions
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.redaction import storable, whole
from apps.core.states import Channel, DeliveryState, EventKind, LogEvent, LogSource

from .set_aside import POISON

logger = logging.getLogger(__name__)

#: How long an event may wait for its delivery: a call that it overtook returns long before. An
#: account may have many events of messages that are not ours.
MATCH_WITHIN = timedelta(hours=1)
CHUNK = 500

#: The state that an event gives its delivery. Delays and automatic replies are about an accepted
#: message.
STATES: dict[EventKind, DeliveryState] = {
    EventKind.SENT: DeliveryState.ACCEPTED,
    EventKind.DELAYED: DeliveryState.ACCEPTED,
    EventKind.REPLIED: DeliveryState.ACCEPTED,
    EventKind.DELIVERED: DeliveryState.DELIVERED,
    EventKind.REJECTED: DeliveryState.REJECTED,
    EventKind.BOUNCED: DeliveryState.BOUNCED,
    EventKind.COMPLAINED: DeliveryState.COMPLAINED,
}
LOG_EVENTS: dict[EventKind, LogEvent] = {
    EventKind.SENT: LogEvent.ACCEPTED,
    EventKind.DELAYED: LogEvent.DELAYED,
    EventKind.REPLIED: LogEvent.REPLIED,
    EventKind.DELIVERED: LogEvent.DELIVERED,
    EventKind.REJECTED: LogEvent.PERMANENT,
    EventKind.BOUNCED: LogEvent.BOUNCED,
    EventKind.COMPLAINED: LogEvent.COMPLAINED,
}
#: How final a log entry is for its attempt. An event of no higher rank is late news.
RANKS: dict[str, int] = {
    LogEvent.ACCEPTED: 1,
    LogEvent.DELIVERED: 2,
    LogEvent.PERMANENT: 3,
    LogEvent.BOUNCED: 3,
    LogEvent.COMPLAINED: 4,
}
#: Kinds that are good news: the provider has the message.
_GOOD = {EventKind.SENT, EventKind.DELAYED, EventKind.REPLIED, EventKind.DELIVERED}
#: Kinds that prove acceptance, and no more. Their log entries have no rank.
_ASIDE = {EventKind.DELAYED, EventKind.REPLIED}


def fingerprint(*parts: object) -> str:
    """Return one value for what an event says, independent of its envelope."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def receive(events: Iterable[ProviderEvent]) -> list[Delivery]:
    """Store each event once and apply it to its delivery: all of them, or none.

    Return the deliveries that stand in for those that ended. An event that matches no delivery is
    kept, and `match_waiting` tries it again.
    """
    with transaction.atomic():
        stand_ins = [_apply(stored) for event in events if (stored := _store(event))]
    return [row for row in stand_ins if row]


def match_waiting() -> list[Delivery]:
    """Apply the events that came before their delivery's row had the message ID.

    Return the deliveries that stand in for those that ended. An event that fails stops no other.
    """
    waiting = ProviderEvent.objects.filter(delivery=None, received_at__gt=Now() - MATCH_WITHIN)
    messages = dict(
        waiting.exclude(provider_message_id="").values_list("pk", "provider_message_id")
    )
    stand_ins = []
    for pk in _ours(messages):
        try:
            with transaction.atomic():
                # Another worker may have matched it meanwhile.
                if event := _unmatched().filter(pk=pk).first():
                    stand_ins.append(_apply(event))
        except (DatabaseError, *POISON) as error:
            # Not its text: PostgreSQL's has the values of the row.
            logger.error("event not matched id=%s: %s", pk, type(error).__name__)
    return [row for row in stand_ins if row]


def _ours(messages: dict[int, str]) -> list[int]:
    """Return the keys of the events whose message ID a delivery has by now."""
    ids = list(set(messages.values()))
    known: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        ours = Delivery.objects.filter(provider_message_id__in=ids[start : start + CHUNK])
        known.update(ours.values_list("provider_message_id", flat=True))
    return [pk for pk, message_id in messages.items() if message_id in known]


def _unmatched() -> QuerySet[ProviderEvent]:
    return ProviderEvent.objects.select_for_update().filter(delivery=None)


def _store(event: ProviderEvent) -> ProviderEvent | None:
    """Return the event as a locked row, or None if it was applied before."""
    event.code, event.detail = storable(event.code, 64), storable(event.detail, 500)
    for column in ("provider_message_id", "envelope_id", "recipient"):
        setattr(event, column, whole(getattr(event, column)))
    ProviderEvent.objects.bulk_create([event], ignore_conflicts=True)
    row = _unmatched().filter(fingerprint=event.fingerprint).first()
    if row and row.delivery_ref is None and event.delivery_ref:
        # The same event came before without our tags.
        row.delivery_ref, row.attempt = event.delivery_ref, event.attempt
        row.save(update_fields=["delivery_ref", "attempt"])
    return row


def _apply(event: ProviderEvent) -> Delivery | None:
    """Log the event, settle its price, and move its delivery if that is news; return a stand-in."""
    delivery = _delivery_of(event)
    if delivery is None:
        logger.info("event matches no delivery yet id=%s kind=%s", event.pk, event.kind)
        return None
    event.delivery = delivery
    event.save(update_fields=["delivery"])
    kind = EventKind(event.kind)
    attempt = _attempt_of(event, delivery)
    is_aside = kind in _ASIDE
    rank = RANKS[LogEvent.ACCEPTED if is_aside else LOG_EVENTS[kind]]
    is_late = rank <= _known_rank(delivery, attempt)
    if is_late and kind == EventKind.SENT:
        return None
    suppressions.suppress_after(event, Channel(delivery.channel))
    if is_aside and not is_late:
        # The first news that the provider accepted it.
        _record(event, delivery, attempt, LogEvent.ACCEPTED)
    is_news = not is_late and not _is_overtaken(delivery, attempt, kind)
    moved = _record(event, delivery, attempt, LOG_EVENTS[kind], is_news=is_news, says_why=True)
    ended = STATES[kind] in (DeliveryState.REJECTED, DeliveryState.BOUNCED)
    if moved and ended:
        return stand_ins.open_stand_in(delivery, source=LogSource.EVENT)
    return None


def _delivery_of(event: ProviderEvent) -> Delivery | None:
    """Return the event's delivery, locked: found by our own ID, else by the provider's."""
    rows = Delivery.objects.select_for_update()
    ours = rows.filter(pk=event.delivery_ref).first() if event.delivery_ref else None
    if ours or not event.provider_message_id:
        return ours
    return rows.filter(provider_message_id=event.provider_message_id).first()


def _attempt_of(event: ProviderEvent, delivery: Delivery) -> int:
    """Return the attempt of our tag, else the one whose answer had the message ID."""
    if event.attempt is not None:
        return event.attempt
    entries = delivery.log.filter(provider_message_id=event.provider_message_id)
    answered = entries.order_by("id").values_list("attempt", flat=True).first()
    return delivery.attempts if answered is None else answered


def _known_rank(delivery: Delivery, attempt: int) -> int:
    """Return the highest rank in the log of this attempt."""
    known = NotificationDeliveryLog.objects.filter(delivery=delivery, attempt=attempt)
    return max((RANKS.get(event, 0) for event in known.values_list("event", flat=True)), default=0)


def _is_overtaken(delivery: Delivery, attempt: int, kind: EventKind) -> bool:
    """Return whether bad news of one attempt must not end a later attempt."""
    is_good = kind in _GOOD or kind == EventKind.COMPLAINED
    if attempt >= delivery.attempts or is_good:
        return False
    if delivery.state in (DeliveryState.DUE, DeliveryState.RETRYING):
        return False
    if delivery.state in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
        return True
    # A later attempt that was skipped or refused has nothing to lose.
    later = delivery.log.filter(attempt__gt=attempt)
    not_sent = later.filter(
        event__in=[LogEvent.TRANSIENT, LogEvent.PERMANENT, LogEvent.NOT_CALLED]
    ).values("attempt")
    return later.filter(event=LogEvent.CALLING).exclude(attempt__in=not_sent).exists()


def _record(
    event: ProviderEvent,
    delivery: Delivery,
    attempt: int,
    log_event: LogEvent,
    *,
    is_news: bool = False,
    says_why: bool = False,
) -> bool:
    """Log what the event says, and move the delivery if it is news; return whether it moved."""
    ids = {"provider": event.provider, "provider_message_id": event.provider_message_id}
    row: dict[str, Any] = {
        "finished_at": Now(),
        "next_attempt_at": None,
        "lease_until": None,
        "reason": "" if event.kind in _GOOD else event.detail[:300],
    }
    if attempt == delivery.attempts or not delivery.provider_message_id:
        row |= ids
    is_priced = says_why and attempt == delivery.attempts
    return transitions.record(
        delivery,
        log_event,
        to=STATES[EventKind(event.kind)] if is_news else None,
        source=LogSource.EVENT,
        attempt=attempt,
        row=row,
        entry=ids | ({"code": event.code, "detail": event.detail} if says_why else {}),
        price_usd=event.price_usd if is_priced else None,
    )
