"""The notifications about repairs: one function per event settles what is over and sends them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import cast

from django.conf import settings

from apps.core.states import Priority

from . import kinds, photos
from .models import EventAction, Moment, Profile, Repair, RepairBatch, RepairEvent, Status
from .models.batch import breaks
from .sending import job, managers, notify, office, quoted, technician_of
from .settling import MADE_STALE_BY_COMPLETION, REQUESTS, TASKS, settle, settle_done_parts


def notify_requested(about: Repair | RepairBatch, event: RepairEvent) -> None:
    """Tell the office of a request without a technician."""
    if event.repair.is_unassigned:
        notify_unassigned(about, event)


def notify_pending_approval(
    about: Repair | RepairBatch, event: RepairEvent, *, again: bool = False
) -> None:
    """Ask the managers, and remind people later. `again` asks in the app only."""
    if again:
        settle(about, event, REQUESTS)
    waiting = ""
    if isinstance(about, RepairBatch):
        waiting = breaks(about.repairs.filter(status=Status.AWAITING_APPROVAL).count())
    context = kinds.PendingApproval(
        job=job(about, waiting),
        estimate=_estimate(about),
        submitted_by=_submitter(event),
        photo=photos.in_message(about, Moment.DAMAGE),
    )
    priority = Priority.LOW if again else None
    notify(kinds.REPAIR_PENDING_APPROVAL, managers(about), context, about, event, priority=priority)
    _remind(about, event)


def notify_cost_pending(repair: Repair, event: RepairEvent, *, again: bool = False) -> None:
    """Ask the managers about a final cost above the estimate. `again` as above."""
    settle(repair, event, [*REQUESTS, *MADE_STALE_BY_COMPLETION])
    context = kinds.CostPending(
        job=job(repair),
        technician=cast(Profile, repair.technician).name,
        approved=_estimate(repair),
        final_cost=cast(Decimal, repair.final_cost),
        reason=quoted(repair.cost_reason),
        photo=photos.in_message(repair, Moment.DAMAGE, Moment.FINISHED),
    )
    priority = Priority.LOW if again else None
    notify(kinds.REPAIR_COST_PENDING, managers(repair), context, repair, event, priority=priority)
    _remind(repair, event)


def _remind(about: Repair | RepairBatch, event: RepairEvent) -> None:
    for kind, people, hours in (
        (kinds.REPAIR_APPROVAL_REMINDER, managers(about), settings.APPROVAL_REMINDER_H),
        (kinds.REPAIR_APPROVAL_OVERDUE, office(), settings.APPROVAL_OVERDUE_H),
    ):
        context = kinds.ApprovalWaits(job=job(about), hours=hours)
        notify(kind, people, context, about, event, at=event.at + timedelta(hours=hours))


def notify_approved(repair: Repair, event: RepairEvent) -> None:
    settle(repair, event, REQUESTS)
    if repair.is_unassigned:
        notify_unassigned(repair, event)
    context = kinds.Approved(
        job=job(repair), estimate=_estimate(repair), approved_by=event.actor.name
    )
    notify(kinds.REPAIR_APPROVED, technician_of(repair), context, repair, event)


def notify_denied(repair: Repair, event: RepairEvent) -> None:
    settle(repair, event, [*REQUESTS, *TASKS, kinds.REPAIR_UNASSIGNED])
    if repair.batch:
        settle_done_parts(repair.batch, event)
    context = kinds.Denied(
        job=job(repair), reason=quoted(repair.denial_reason), denied_by=event.actor.name
    )
    notify(kinds.REPAIR_DENIED, technician_of(repair), context, repair, event)


def notify_batch_denied(batch: RepairBatch, events: Sequence[RepairEvent]) -> None:
    """Tell each technician about their own share of the denied repairs."""
    if len(events) == 1:
        notify_denied(events[0].repair, events[0])
        return
    for event in events:
        settle(event.repair, event, [*REQUESTS, *TASKS, kinds.REPAIR_UNASSIGNED])
    settle_done_parts(batch, events[0])
    for technician, share in _shares(events).items():
        context = kinds.Denied(
            job=job(batch, damage=breaks(len(share))),
            reason=quoted(share[0].repair.denial_reason),
            denied_by=share[0].actor.name,
            count=len(share),
        )
        people = [technician] if technician else []
        notify(kinds.REPAIR_DENIED, people, context, batch, share[0])


def notify_batch_approved(batch: RepairBatch, events: Sequence[RepairEvent]) -> None:
    """Tell each technician about their own share of the approved repairs."""
    settle(batch, events[0], REQUESTS)
    for technician, share in _shares(events).items():
        if technician:
            _notify_share_approved(batch, technician, share)
        else:
            notify_unassigned(batch, share[0], breaks(len(share)))


def _shares(events: Sequence[RepairEvent]) -> dict[Profile | None, list[RepairEvent]]:
    """Return the events of a batch by the technician of their repairs."""
    shares: defaultdict[Profile | None, list[RepairEvent]] = defaultdict(list)
    for event in events:
        shares[event.repair.technician].append(event)
    return shares


def _notify_share_approved(
    batch: RepairBatch, technician: Profile, share: Sequence[RepairEvent]
) -> None:
    context = kinds.BatchApproved(
        job=job(batch, damage=breaks(len(share))),
        count=len(share),
        total=sum((_estimate(event.repair) for event in share), Decimal(0)),
        approved_by=share[0].actor.name,
    )
    notify(kinds.BATCH_APPROVED, [technician], context, batch, share[0])


def notify_assigned(about: Repair | RepairBatch, event: RepairEvent) -> None:
    status = _status(about)
    context = kinds.Assigned(
        job=job(about),
        status=status.label,
        next_step=kinds.NEXT_STEP[status],
        assigned_by=event.actor.name,
    )
    notify(kinds.REPAIR_ASSIGNED, technician_of(event.repair), context, about, event)


def notify_reassigned(repair: Repair, event: RepairEvent, previous: Profile) -> None:
    """Tell the new technician and the previous one."""
    notify_assigned(repair, event)
    [technician] = technician_of(repair)
    context = kinds.ReassignedAway(
        job=job(repair), technician=technician.name, reassigned_by=event.actor.name
    )
    notify(kinds.REPAIR_REASSIGNED_AWAY, [previous], context, repair, event)


def notify_started(repair: Repair, event: RepairEvent) -> None:
    settle(repair, event, [*TASKS, kinds.REPAIR_TAKEN_BACK])
    context = kinds.InProgress(job=job(repair), technician=event.actor.name)
    notify(kinds.REPAIR_IN_PROGRESS, managers(repair), context, repair, event)


def notify_completed(repair: Repair, event: RepairEvent) -> None:
    settle(repair, event, [*REQUESTS, *MADE_STALE_BY_COMPLETION])
    cost = cast(Decimal, repair.final_cost)
    context = kinds.Completed(
        job=job(repair),
        technician=cast(Profile, repair.technician).name,
        # A decision on the higher cost has approved all of it.
        approved=cost if event.action == EventAction.COST_APPROVED else _estimate(repair),
        final_cost=cost,
        reason=quoted(repair.cost_reason),
        photo=photos.in_message(repair, Moment.FINISHED),
    )
    notify(kinds.REPAIR_COMPLETED, managers(repair), context, repair, event)


def notify_cost_approved(repair: Repair, event: RepairEvent) -> None:
    """Tell the technician of the decision, and the managers that the repair is completed."""
    notify_completed(repair, event)
    context = kinds.CostApproved(
        job=job(repair),
        approved=_estimate(repair),
        final_cost=cast(Decimal, repair.final_cost),
        approved_by=event.actor.name,
    )
    notify(kinds.REPAIR_COST_APPROVED, technician_of(repair), context, repair, event)


def notify_cost_denied(repair: Repair, event: RepairEvent, asked: Decimal, reason: str) -> None:
    settle(repair, event, REQUESTS)
    context = kinds.CostDenied(
        job=job(repair),
        approved=_estimate(repair),
        final_cost=asked,
        reason=quoted(reason),
        denied_by=event.actor.name,
    )
    notify(kinds.REPAIR_COST_DENIED, technician_of(repair), context, repair, event)


def notify_unassigned(
    about: Repair | RepairBatch,
    event: RepairEvent,
    damage: str = "",
    *,
    priority: Priority | None = None,
) -> None:
    context = kinds.Unassigned(
        job=job(about, damage),
        status=event.repair.get_status_display(),
        event=event.get_action_display(),
        by=event.actor.name,
    )
    # Who leaves the choice for later knows it.
    people = [person for person in office() if person != event.actor]
    notify(kinds.REPAIR_UNASSIGNED, people, context, about, event, priority=priority)


def _submitter(event: RepairEvent) -> str:
    if event.action == EventAction.SUBMITTED:
        return event.actor.name
    submitted = event.repair.events.filter(action=EventAction.SUBMITTED)
    return submitted.select_related("actor__user").latest("at").actor.name


def _estimate(about: Repair | RepairBatch) -> Decimal:
    if isinstance(about, Repair):
        return cast(Decimal, about.estimate)
    return about.repairs.filter(status=Status.AWAITING_APPROVAL).total_estimate()


def _status(about: Repair | RepairBatch) -> Status:
    """Return the repair's status, or the least advanced status in the batch."""
    repairs = [about] if isinstance(about, Repair) else about.repairs.all()
    return min((Status(repair.status) for repair in repairs), key=list(Status).index)
