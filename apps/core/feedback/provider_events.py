"""What the providers report, applied to the rows it speaks of.

Reports come late, twice, out of order, before the call that they speak of has returned, or about
messages that are not ours. Each is kept once. What it says moves its delivery forward by rank and
never back, with the row locked, so that two reports at once are one after the other.
"""

import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.core.delivery import transitions
from apps.core.guards import sms_budget, suppressions
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.redaction import storable
from apps.core.states import Channel, DeliveryState, EventKind, LogEvent

logger = logging.getLogger(__name__)

#: How long a report may wait for its delivery: a call that it overtook has returned long before.
#: What nobody claims then is about somebody else's message, and an account may have many of those.
MATCH_WITHIN = timedelta(hours=1)
CHUNK = 500

#: What a report makes of its delivery. A delay is of a message that the provider has taken.
STATES: dict[EventKind, DeliveryState] = {
    EventKind.SENT: DeliveryState.ACCEPTED,
    EventKind.DELAYED: DeliveryState.ACCEPTED,
    EventKind.DELIVERED: DeliveryState.DELIVERED,
    EventKind.REJECTED: DeliveryState.REJECTED,
    EventKind.BOUNCED: DeliveryState.BOUNCED,
    EventKind.COMPLAINED: DeliveryState.COMPLAINED,
}
LINES: dict[EventKind, LogEvent] = {
    EventKind.SENT: LogEvent.ACCEPTED,
    EventKind.DELAYED: LogEvent.DELAYED,
    EventKind.DELIVERED: LogEvent.DELIVERED,
    EventKind.REJECTED: LogEvent.PERMANENT,
    EventKind.BOUNCED: LogEvent.BOUNCED,
    EventKind.COMPLAINED: LogEvent.COMPLAINED,
}
#: How much each line of the log says of its attempt: less after more is late news.
RANKS: dict[str, int] = {
    LogEvent.ACCEPTED: 1,
    LogEvent.DELIVERED: 2,
    LogEvent.PERMANENT: 3,
    LogEvent.BOUNCED: 3,
    LogEvent.COMPLAINED: 4,
}
#: The provider's own good word: from here on it has the message.
_GOOD = {EventKind.SENT, EventKind.DELAYED, EventKind.DELIVERED}


def fingerprint(*parts: object) -> str:
    """One value for what is said, whatever envelope it came in."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def receive(reports: Iterable[ProviderEvent]) -> list[Delivery]:
    """Keep each report, once, and apply it to its delivery: all of them, or none.

    Returns the deliveries that stand in for those which ended. Raises nothing for a report that
    fits no delivery: `match_waiting` tries again.
    """
    with transaction.atomic():
        stand_ins = [_apply(kept) for report in reports if (kept := _kept(report))]
    return [row for row in stand_ins if row]


def match_waiting() -> list[Delivery]:
    """Apply the reports that came before their delivery's row said which message it is.

    Returns the deliveries that stand in for those which ended. A report that fails stops no other.
    """
    waiting = ProviderEvent.objects.filter(delivery=None, received_at__gt=Now() - MATCH_WITHIN)
    messages = dict(
        waiting.exclude(provider_message_id="").values_list("pk", "provider_message_id")
    )
    stand_ins = []
    for pk in _ours(messages):
        try:
            with transaction.atomic():
                # Another may have matched it meanwhile.
                if report := _unmatched().filter(pk=pk).first():
                    stand_ins.append(_apply(report))
        except DatabaseError:
            logger.exception("report not matched id=%s", pk)
    return [row for row in stand_ins if row]


def _ours(messages: dict[int, str]) -> list[int]:
    """The reports, by their keys, whose message is one of ours by now."""
    ids = list(set(messages.values()))
    known: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        ours = Delivery.objects.filter(provider_message_id__in=ids[start : start + CHUNK])
        known.update(ours.values_list("provider_message_id", flat=True))
    return [pk for pk, message_id in messages.items() if message_id in known]


def _unmatched() -> QuerySet[ProviderEvent]:
    return ProviderEvent.objects.select_for_update().filter(delivery=None)


def _kept(report: ProviderEvent) -> ProviderEvent | None:
    """The report as a row, locked; None where the same was said, and applied, before."""
    report.code, report.detail = storable(report.code, 64), storable(report.detail, 500)
    ProviderEvent.objects.bulk_create([report], ignore_conflicts=True)
    row = _unmatched().filter(fingerprint=report.fingerprint).first()
    if row and row.delivery_ref is None and report.delivery_ref:
        # The same was said before, without our tags.
        row.delivery_ref, row.attempt = report.delivery_ref, report.attempt
        row.save(update_fields=["delivery_ref", "attempt"])
    return row


def _apply(report: ProviderEvent) -> Delivery | None:
    delivery = _delivery(report)
    if delivery is None:
        logger.info("report fits no delivery yet id=%s kind=%s", report.pk, report.kind)
        return None
    report.delivery = delivery
    report.save(update_fields=["delivery"])
    kind = EventKind(report.kind)
    attempt = _attempt_of(report, delivery)
    is_delay = kind == EventKind.DELAYED
    late = RANKS[LogEvent.ACCEPTED if is_delay else LINES[kind]] <= _known(delivery, attempt)
    if late and kind == EventKind.SENT:
        return None
    if is_delay and not late:
        # The first word that the provider has it.
        _line(delivery, attempt, report, LogEvent.ACCEPTED)
    _line(delivery, attempt, report, LINES[kind], code=report.code, detail=report.detail)
    suppressions.after(report, Channel(delivery.channel))
    if report.price_usd is not None and attempt == delivery.attempts:
        sms_budget.settle(delivery, report.price_usd)
    if late or _is_overtaken(delivery, attempt, kind):
        return None
    return _move(delivery, attempt, report)


def _delivery(report: ProviderEvent) -> Delivery | None:
    """The row that the report speaks of, locked: by our own id, else by the provider's."""
    rows = Delivery.objects.select_for_update()
    ours = rows.filter(pk=report.delivery_ref).first() if report.delivery_ref else None
    if ours or not report.provider_message_id:
        return ours
    return rows.filter(provider_message_id=report.provider_message_id).first()


def _attempt_of(report: ProviderEvent, delivery: Delivery) -> int:
    """By our tag, else the attempt whose answer gave the message its id."""
    if report.attempt is not None:
        return report.attempt
    lines = delivery.log.filter(provider_message_id=report.provider_message_id)
    answered = lines.order_by("id").values_list("attempt", flat=True).first()
    return delivery.attempts if answered is None else answered


def _known(delivery: Delivery, attempt: int) -> int:
    """The rank of what the log says of this attempt already."""
    said = NotificationDeliveryLog.objects.filter(delivery=delivery, attempt=attempt)
    return max((RANKS.get(event, 0) for event in said.values_list("event", flat=True)), default=0)


def _is_overtaken(delivery: Delivery, attempt: int, kind: EventKind) -> bool:
    """Whether bad news of one attempt must not end a later one, which has begun already."""
    good = kind in _GOOD or kind == EventKind.COMPLAINED
    if attempt >= delivery.attempts or good:
        return False
    if delivery.state in (DeliveryState.DUE, DeliveryState.RETRYING):
        return False
    if delivery.state in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
        return True
    # What was skipped, or refused, has nothing to lose.
    later = delivery.log.filter(attempt__gt=attempt)
    refused = later.filter(event__in=[LogEvent.TRANSIENT, LogEvent.PERMANENT]).values("attempt")
    return later.filter(event=LogEvent.CALLING).exclude(attempt__in=refused).exists()


def _line(
    delivery: Delivery,
    attempt: int,
    report: ProviderEvent,
    event: LogEvent,
    *,
    code: str = "",
    detail: str = "",
) -> None:
    NotificationDeliveryLog.objects.create(
        delivery=delivery,
        attempt=attempt,
        event=event,
        provider=report.provider,
        provider_message_id=report.provider_message_id,
        code=code,
        detail=detail or "the provider's report",
    )


def _move(delivery: Delivery, attempt: int, report: ProviderEvent) -> Delivery | None:
    state = STATES[EventKind(report.kind)]
    values: dict[str, Any] = {"finished_at": Now(), "next_attempt_at": None, "lease_until": None}
    values["reason"] = "" if report.kind in _GOOD else report.detail[:300]
    if attempt == delivery.attempts or not delivery.provider_message_id:
        values["provider"] = report.provider
        values["provider_message_id"] = report.provider_message_id
    moved = Delivery.objects.filter(pk=delivery.pk).move(state, **values)
    ended = state in (DeliveryState.REJECTED, DeliveryState.BOUNCED)
    return transitions.stand_in(delivery) if moved and ended else None
