"""What happens to repairs: one function per event.

Each changes the status by one conditional UPDATE, writes the history and tells those concerned,
all in one transaction. Whoever comes second gets AlreadyDone; NotAllowed says why not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.core.message.kinds import format_money

from . import notifications
from .exceptions import AlreadyDone, NotAllowed, RepairError
from .models import (
    Damage,
    EventAction,
    FleetUnit,
    Position,
    Profile,
    Repair,
    RepairBatch,
    RepairEvent,
    Role,
    Status,
)
from .permissions import RULES, Action, refusal, request_refusal, technician_problem

MAX_AMOUNT = Decimal("99999.99")
MAX_REASON = 500
ANY = Q()


@dataclass(frozen=True)
class Break:
    """One break of a windshield; `estimate` is in US dollars, None where nobody priced it yet."""

    damage: Damage
    position: Position
    description: str = ""
    estimate: Decimal | None = None


@transaction.atomic
def request_repair(
    *,
    by: Profile,
    unit: FleetUnit,
    damage: Damage,
    position: Position,
    description: str = "",
    technician: Profile | None = None,
    estimate: Decimal | None = None,
) -> Repair:
    """Open a repair; with an estimate it goes straight on to the managers."""
    breaks = [Break(damage, position, description, estimate)]
    events = _open(by, unit, breaks, technician, batch=None)
    _announce(events[0].repair, events)
    return events[0].repair


@transaction.atomic
def request_batch(
    *,
    by: Profile,
    unit: FleetUnit,
    breaks: Sequence[Break],
    technician: Profile | None = None,
) -> RepairBatch:
    """Open a repair for each break; the managers are asked once, when all are priced."""
    if not breaks:
        raise NotAllowed("A batch needs at least one break.")
    batch = RepairBatch.objects.create(unit=unit)
    _announce(batch, _open(by, unit, breaks, technician, batch))
    return batch


@transaction.atomic
def submit_estimate(repair: Repair, estimate: Decimal, *, by: Profile) -> None:
    """Price a requested repair (US dollars) and put it before the managers."""
    amount = _amount(estimate)
    if repair.batch_id:
        # Of two last breaks priced at once, one must see that the other is done.
        RepairBatch.objects.select_for_update().get(pk=repair.batch_id)
    event = _move(
        Action.SUBMIT_ESTIMATE,
        repair,
        by,
        EventAction.SUBMITTED,
        format_money(amount),
        status=Status.AWAITING_APPROVAL,
        estimate=amount,
    )
    _announce(repair.batch or repair, [event])


@transaction.atomic
def approve(repair: Repair, *, by: Profile) -> None:
    """Approve a repair that stands alone."""
    event = _move(Action.APPROVE, repair, by, EventAction.APPROVED, status=Status.APPROVED)
    notifications.repair_approved(repair, event)


@transaction.atomic
def approve_batch(batch: RepairBatch, *, by: Profile) -> int:
    """Approve all repairs of the batch that await it; returns how many they were."""
    _check(Action.APPROVE_BATCH, batch, by)
    awaiting = batch.repairs.filter(status__in=RULES[Action.APPROVE_BATCH].statuses)
    # Locked before the change, so that it is known which repairs it changes; read after it.
    keys = list(awaiting.order_by("pk").select_for_update().values_list("pk", flat=True))
    if not awaiting.filter(pk__in=keys).update(status=Status.APPROVED, updated_at=timezone.now()):
        raise _lost_batch(batch)
    repairs = Repair.objects.with_details().filter(pk__in=keys)
    events = RepairEvent.objects.bulk_create(
        RepairEvent(repair=repair, actor=by, action=EventAction.APPROVED) for repair in repairs
    )
    notifications.batch_approved(batch, events)
    return len(keys)


@transaction.atomic
def deny(repair: Repair, reason: str, *, by: Profile) -> None:
    """Deny a repair, which may belong to a batch; the technician reads the reason."""
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON:
        raise NotAllowed(
            f"Give a reason of at most {MAX_REASON} characters: the technician reads it."
        )
    event = _move(
        Action.DENY,
        repair,
        by,
        EventAction.DENIED,
        reason,
        status=Status.DENIED,
        denial_reason=reason,
    )
    notifications.repair_denied(repair, event)


@transaction.atomic
def assign(repair: Repair, technician: Profile, *, by: Profile) -> None:
    """Give an open repair to a technician, whether or not another one has it."""
    if problem := technician_problem(technician):
        raise NotAllowed(problem)
    previous = repair.technician
    event = _move(
        Action.ASSIGN,
        repair,
        by,
        EventAction.REASSIGNED if previous else EventAction.ASSIGNED,
        f"from {previous.name} to {technician.name}" if previous else technician.name,
        still=Q(technician=previous) & ~Q(technician=technician),
        technician=technician,
    )
    if previous:
        notifications.repair_reassigned(repair, event, previous)
    else:
        notifications.repair_assigned(repair, event)


@transaction.atomic
def start(repair: Repair, *, by: Profile) -> None:
    """Begin the work on an approved repair."""
    event = _move(Action.START, repair, by, EventAction.STARTED, status=Status.IN_PROGRESS)
    notifications.repair_in_progress(repair, event)


@transaction.atomic
def complete(repair: Repair, final_cost: Decimal, *, by: Profile) -> None:
    """Finish the work, at its final cost in US dollars."""
    amount = _amount(final_cost)
    event = _move(
        Action.COMPLETE,
        repair,
        by,
        EventAction.COMPLETED,
        format_money(amount),
        status=Status.COMPLETED,
        final_cost=amount,
    )
    notifications.repair_completed(repair, event)


def _open(
    by: Profile,
    unit: FleetUnit,
    breaks: Sequence[Break],
    technician: Profile | None,
    batch: RepairBatch | None,
) -> list[RepairEvent]:
    priced = any(item.estimate is not None for item in breaks)
    if problem := request_refusal(by, unit, technician, priced=priced):
        raise NotAllowed(problem)
    if by.role == Role.TECHNICIAN:
        technician = by
    lines: list[RepairEvent] = []
    for item in breaks:
        estimate = None if item.estimate is None else _amount(item.estimate)
        repair = Repair.objects.create(
            unit=unit,
            batch=batch,
            damage=item.damage,
            position=item.position,
            description=item.description,
            status=Status.REQUESTED if estimate is None else Status.AWAITING_APPROVAL,
            technician=technician,
            requested_by=by,
            estimate=estimate,
        )
        lines += _opening_lines(repair, by)
    return RepairEvent.objects.bulk_create(lines)


def _opening_lines(repair: Repair, by: Profile) -> Iterator[RepairEvent]:
    yield RepairEvent(repair=repair, actor=by, action=EventAction.REQUESTED)
    if repair.technician and repair.technician != by:
        yield RepairEvent(
            repair=repair, actor=by, action=EventAction.ASSIGNED, note=repair.technician.name
        )
    if repair.estimate is not None:
        yield RepairEvent(
            repair=repair,
            actor=by,
            action=EventAction.SUBMITTED,
            note=format_money(repair.estimate),
        )


def _announce(about: Repair | RepairBatch, events: Sequence[RepairEvent]) -> None:
    latest = {event.action: event for event in events}
    if assigned := latest.get(EventAction.ASSIGNED):
        notifications.repair_assigned(about, assigned)
    if (submitted := latest.get(EventAction.SUBMITTED)) and _is_priced(about):
        notifications.repair_pending_approval(about, submitted)


def _is_priced(about: Repair | RepairBatch) -> bool:
    if isinstance(about, Repair):
        return about.estimate is not None
    return not about.repairs.filter(estimate=None).exists()


def _amount(amount: Decimal) -> Decimal:
    if not 0 <= amount <= MAX_AMOUNT:
        raise NotAllowed(
            f"An amount is between {format_money(Decimal(0))} and {format_money(MAX_AMOUNT)}."
        )
    # Without its sign: there is a negative zero.
    return abs(amount).quantize(Decimal("0.01"))


def _move(
    action: Action,
    repair: Repair,
    by: Profile,
    done: EventAction,
    note: str = "",
    *,
    still: Q = ANY,
    **values: Any,
) -> RepairEvent:
    """Change the row if it stands where the action needs it, and write the history."""
    _check(action, repair, by)
    # The condition has no joins: PostgreSQL, having waited for another writer, looks again at
    # the row's own columns only.
    rows = Repair.objects.filter(still, pk=repair.pk, status__in=RULES[action].statuses)
    if by.role == Role.TECHNICIAN:
        rows = rows.filter(technician=by)
    if not rows.update(**values, updated_at=timezone.now()):
        raise _lost(action, repair, by)
    repair.refresh_from_db(from_queryset=Repair.objects.with_details())
    return repair.events.create(actor=by, action=done, note=note[:MAX_REASON])


def _check(action: Action, about: Repair | RepairBatch, by: Profile) -> None:
    if problem := refusal(action, about, by):
        raise NotAllowed(problem)


def _lost(action: Action, repair: Repair, by: Profile) -> RepairError:
    """Why the conditional UPDATE found no row: said from what is true now."""
    repair.refresh_from_db(from_queryset=Repair.objects.with_details())
    if problem := refusal(action, repair, by):
        return NotAllowed(problem)
    return _settled(action, repair.number, repair.events.all()) or NotAllowed(
        f"You cannot {RULES[action].verb} {repair.number}: "
        f"it is {repair.get_status_display().lower()}."
    )


def _lost_batch(batch: RepairBatch) -> RepairError:
    events = RepairEvent.objects.filter(repair__batch=batch)
    return _settled(Action.APPROVE_BATCH, batch.number, events) or NotAllowed(
        f"No repair of {batch.number} is awaiting approval."
    )


def _settled(action: Action, number: str, events: QuerySet[RepairEvent]) -> AlreadyDone | None:
    event = events.filter(action__in=RULES[action].done_by).select_related("actor__user").last()
    return AlreadyDone(number, event) if event else None
