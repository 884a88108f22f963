"""What people do with a repair after its request: one function per event.

Each changes the row (`moves.py`) and notifies, in one transaction. If another person was first it
raises AlreadyDone; otherwise NotAllowed says why.
"""

from decimal import ROUND_DOWN, Decimal
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from apps.core.message.kinds import format_money

from . import notifications, photos, settling
from .exceptions import NotAllowed
from .models import (
    EventAction,
    Moment,
    Profile,
    Repair,
    RepairBatch,
    RepairEvent,
    RepairPhoto,
    Status,
)
from .moves import move, move_batch
from .permissions import Action, technician_problem
from .typed_values import clean_amount, clean_reason


@transaction.atomic
def submit_estimate(
    repair: Repair, estimate: Decimal, *, by: Profile, photo: RepairPhoto | None = None
) -> None:
    """Price a requested repair (US dollars) and ask the managers for approval."""
    amount = clean_amount(estimate)
    if repair.batch_id:
        # If the last two breaks are priced at once, the second must see the first.
        RepairBatch.objects.select_for_update().get(pk=repair.batch_id)
    event = move(
        Action.SUBMIT_ESTIMATE,
        repair,
        by,
        EventAction.SUBMITTED,
        format_money(amount),
        status=Status.AWAITING_APPROVAL,
        estimate=amount,
    )
    if photo:
        photos.add(photo, repair, Moment.DAMAGE, by=by)
    settling.settle_priced(repair, event)
    about = repair.batch or repair
    if about.is_priced:
        notifications.notify_pending_approval(about, event)


@transaction.atomic
def approve(repair: Repair, *, by: Profile) -> RepairEvent:
    """Approve a repair that belongs to no batch."""
    event = move(Action.APPROVE, repair, by, EventAction.APPROVED, status=Status.APPROVED)
    notifications.notify_approved(repair, event)
    return event


@transaction.atomic
def approve_batch(batch: RepairBatch, *, by: Profile) -> list[RepairEvent]:
    """Approve the repairs of the batch that await approval; return an event for each."""
    events = move_batch(
        Action.APPROVE_BATCH, batch, by, EventAction.APPROVED, status=Status.APPROVED
    )
    notifications.notify_batch_approved(batch, events)
    return events


@transaction.atomic
def deny_batch(batch: RepairBatch, reason: str, *, by: Profile) -> list[RepairEvent]:
    """Deny the repairs of the batch that await approval; return an event for each."""
    reason = clean_reason(reason, gettext("the technician reads it"))
    events = move_batch(
        Action.DENY_BATCH,
        batch,
        by,
        EventAction.DENIED,
        reason,
        status=Status.DENIED,
        denial_reason=reason,
    )
    notifications.notify_batch_denied(batch, events)
    return events


@transaction.atomic
def deny(repair: Repair, reason: str, *, by: Profile) -> RepairEvent:
    """Deny a repair, also one of a batch. The technician reads the reason."""
    reason = clean_reason(reason, gettext("the technician reads it"))
    event = move(
        Action.DENY,
        repair,
        by,
        EventAction.DENIED,
        reason,
        status=Status.DENIED,
        denial_reason=reason,
    )
    notifications.notify_denied(repair, event)
    return event


@transaction.atomic
def assign(repair: Repair, technician: Profile, *, by: Profile) -> None:
    """Assign an open repair to a technician, or reassign it."""
    if problem := technician_problem(technician):
        raise NotAllowed(problem)
    previous = repair.technician
    event = move(
        Action.ASSIGN,
        repair,
        by,
        EventAction.REASSIGNED if previous else EventAction.ASSIGNED,
        f"from {previous.name} to {technician.name}" if previous else technician.name,
        still=Q(technician=previous) & ~Q(technician=technician),
        former=previous,
        technician=technician,
    )
    settling.settle_assigned(repair, event)
    if previous:
        notifications.notify_reassigned(repair, event, previous)
    else:
        notifications.notify_assigned(repair, event)


@transaction.atomic
def start(repair: Repair, *, by: Profile) -> RepairEvent:
    """Start the work on an approved repair."""
    event = move(Action.START, repair, by, EventAction.STARTED, status=Status.IN_PROGRESS)
    notifications.notify_started(repair, event)
    return event


@transaction.atomic
def complete(
    repair: Repair,
    final_cost: Decimal,
    *,
    by: Profile,
    reason: str = "",
    photo: RepairPhoto | None = None,
) -> RepairEvent:
    """Finish the work, at its final cost in US dollars.

    A cost above the estimate needs a reason. Above `cost_limit` the managers decide first.
    """
    amount = clean_amount(final_cost)
    note = format_money(amount)
    approved = repair.estimate
    if approved is not None and amount > approved:
        reason = clean_reason(
            reason, gettext("the managers approved {sum}").format(sum=format_money(approved))
        )
        note = f"{note} instead of {format_money(approved)}: {reason}"
    else:
        reason = ""
    asks = approved is not None and amount > cost_limit(approved)
    event = move(
        Action.COMPLETE,
        repair,
        by,
        EventAction.COST_SUBMITTED if asks else EventAction.COMPLETED,
        note,
        status=Status.COST_APPROVAL if asks else Status.COMPLETED,
        final_cost=amount,
        cost_reason=reason,
    )
    if photo:
        photos.add(photo, repair, Moment.FINISHED, by=by)
    if asks:
        notifications.notify_cost_pending(repair, event)
    else:
        notifications.notify_completed(repair, event)
    return event


def cost_limit(estimate: Decimal) -> Decimal:
    """Return the highest final cost (US dollars) that needs no new approval."""
    limit = estimate * (1 + settings.COST_OVERRUN_SHARE)
    return limit.quantize(Decimal("0.01"), ROUND_DOWN)


@transaction.atomic
def approve_cost(repair: Repair, *, by: Profile) -> RepairEvent:
    """Approve a final cost above the estimate, which completes the repair."""
    event = move(
        Action.APPROVE_COST,
        repair,
        by,
        EventAction.COST_APPROVED,
        _both_sums(repair),
        status=Status.COMPLETED,
    )
    notifications.notify_cost_approved(repair, event)
    return event


@transaction.atomic
def deny_cost(repair: Repair, reason: str, *, by: Profile) -> RepairEvent:
    """Deny the higher cost: the technician completes the repair at the approved one."""
    reason = clean_reason(reason, gettext("the technician reads it"))
    asked = cast(Decimal, repair.final_cost)
    event = move(
        Action.DENY_COST,
        repair,
        by,
        EventAction.COST_DENIED,
        f"{_both_sums(repair)}: {reason}",
        status=Status.IN_PROGRESS,
        final_cost=None,
        cost_reason="",
    )
    notifications.notify_cost_denied(repair, event, asked, reason)
    return event


def _both_sums(repair: Repair) -> str:
    asked, approved = repair.final_cost or Decimal(0), repair.estimate or Decimal(0)
    return f"{format_money(asked)} instead of {format_money(approved)}"
