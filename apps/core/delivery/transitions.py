"""Every move of a delivery: its row, the log entry that says why, and its money, as one.

A move names its attempt. A worker that comes too late, after another attempt has
begun, leaves a log entry and moves nothing; only its acceptance counts even then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from apps.core.guards import sms_budget
from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.models.inserts import insert
from apps.core.providers.base import Acceptance
from apps.core.reasons import Reason
from apps.core.redaction import storable
from apps.core.states import (
    OPEN,
    RESENDABLE,
    DeliveryState,
    LogEvent,
    LogSource,
)


def record(
    delivery: Delivery,
    event: LogEvent,
    *,
    to: DeliveryState | None = None,
    source: LogSource = LogSource.WORKER,
    attempt: int | None = None,
    only_from: Collection[DeliveryState] | None = None,
    row: dict[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
    is_logged_if_late: bool = True,
    is_refunded: bool = False,
    price_usd: Decimal | None = None,
) -> bool:
    """Move the delivery to a state, write the log entry, and settle the money, in one transaction.

    `to` None only logs. `attempt` is the attempt that the entry speaks of, by default the present
    one; `only_from` narrows the states that the move may start from; `row` and `entry` are further
    columns. `is_refunded` gives the reservation back if the row moved; `price_usd` replaces it.
    Return whether the row moved.
    """
    with transaction.atomic():
        moved = to is not None and move(delivery, to, only_from, row or {})
        if to is None or moved or is_logged_if_late:
            number = delivery.attempts if attempt is None else attempt
            NotificationDeliveryLog.objects.create(
                delivery=delivery, attempt=number, event=event, source=source, **(entry or {})
            )
        if price_usd is not None:
            sms_budget.settle(delivery, price_usd)
        elif moved and is_refunded:
            sms_budget.release(delivery)
    return moved


def move(
    delivery: Delivery,
    to: DeliveryState,
    only_from: Collection[DeliveryState] | None,
    row: dict[str, Any],
) -> bool:
    """Move the row alone, if this is still its attempt. Return whether it moved."""
    this = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)
    if only_from is not None:
        this = this.filter(state__in=only_from)
    return bool(this.move(to, **row))


def log(
    rows: Iterable[Delivery],
    event: LogEvent,
    source: LogSource,
    *,
    code: str = "",
    detail: str = "",
) -> None:
    """Write the same entry for each of these deliveries; `code` is by default what held it."""
    NotificationDeliveryLog.objects.bulk_create(
        [
            NotificationDeliveryLog(
                delivery=row,
                attempt=row.attempts,
                event=event,
                source=source,
                code=code or row.held_for,
                detail=detail,
            )
            for row in rows
        ],
        batch_size=1000,
    )


def record_calls(
    announced: Sequence[Delivery], provider: str, accepted: Sequence[tuple[Delivery, Acceptance]]
) -> None:
    """Announce calls, and write that others were accepted, in one transaction.

    Once an announcement is committed, a lost worker leaves that outcome unknown.
    """
    entries = [
        _entry(row, LogEvent.ACCEPTED, its.provider, its.message_id) for row, its in accepted
    ]
    entries += [_entry(row, LogEvent.CALLING, provider) for row in announced]
    with transaction.atomic(savepoint=False):
        insert(entries)
        for number, rows in by_attempt(row for row, _ in accepted):
            _move_accepted(number, rows)


def _entry(
    delivery: Delivery, event: LogEvent, provider: str, message_id: str = ""
) -> NotificationDeliveryLog:
    return NotificationDeliveryLog(
        delivery=delivery,
        attempt=delivery.attempts,
        event=event,
        # A reply that the columns cannot hold must not undo what the provider did.
        provider=provider[:32],
        provider_message_id=storable(message_id, 128),
    )


def _move_accepted(number: int, deliveries: list[Delivery]) -> None:
    """Move deliveries whose attempt of this number was accepted. The log has the provider's ids."""
    logged = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("pk"), attempt=number, event=LogEvent.ACCEPTED
    ).order_by("-id")
    values = ended(
        {
            "provider": Subquery(logged.values("provider")[:1]),
            "provider_message_id": Subquery(logged.values("provider_message_id")[:1]),
            "reason": "",
        }
    )
    rows = Delivery.objects.filter(pk__in=[row.pk for row in deliveries], state__in=OPEN)
    # An event that came first has settled the row, and says more than the answer.
    if rows.filter(attempts=number).move(DeliveryState.ACCEPTED, **values) < len(deliveries):
        # A later attempt that has not called yet need not call.
        rows.filter(attempts__gt=number).move(DeliveryState.ACCEPTED, **values)


def by_attempt(deliveries: Iterable[Delivery]) -> Iterator[tuple[int, list[Delivery]]]:
    """Group the deliveries by the number of their present attempt."""
    groups: dict[int, list[Delivery]] = {}
    for row in deliveries:
        groups.setdefault(row.attempts, []).append(row)
    yield from groups.items()


def skip_due(delivery: Delivery, reason: str, decision: Reason) -> bool:
    """Skip a due delivery. Return False if it is no longer due: a worker has it, or had."""
    return record(
        delivery,
        LogEvent.SKIPPED,
        to=DeliveryState.SKIPPED,
        source=LogSource.SWEEP,
        only_from=(DeliveryState.DUE,),
        row={
            "finished_at": Now(),
            "next_attempt_at": None,
            "reason": reason,
            "decision": decision,
        },
        entry={"detail": reason},
        is_logged_if_late=False,
    )


def resend(delivery: Delivery, by: str) -> bool:
    """Resend by a person's decision, with a new retry horizon. Return False if it has moved on."""
    return record(
        delivery,
        LogEvent.RESEND,
        to=DeliveryState.DUE,
        source=LogSource.PERSON,
        only_from=RESENDABLE,
        row={
            "due_at": Now(),
            "next_attempt_at": Now(),
            "finished_at": None,
            "failures": 0,
            "reason": "",
        },
        entry={"detail": f"by {by}"},
        is_logged_if_late=False,
    )


def confirm_arrival(delivery: Delivery, by: str) -> bool:
    """Accept an unknown delivery by a person's decision. Return False if it is not unknown now."""
    return record(
        delivery,
        LogEvent.ACCEPTED,
        to=DeliveryState.ACCEPTED,
        source=LogSource.PERSON,
        only_from=(DeliveryState.UNKNOWN,),
        row={"finished_at": Now(), "next_attempt_at": None},
        entry={"detail": f"by {by}"},
        is_logged_if_late=False,
    )


def ended(row: dict[str, Any]) -> dict[str, Any]:
    """Return these columns and those of a delivery that needs no worker any more."""
    return {"finished_at": Now(), "next_attempt_at": None, "lease_until": None, **row}
