"""The notifications about repairs: their kinds, and one function per event that sends them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import cast

from django.conf import settings
from django.urls import reverse

from apps.core.message import user_text
from apps.core.message.kinds import (
    Category,
    Context,
    Count,
    Money,
    NotificationKind,
    Text,
    register,
)
from apps.core.services.notification import NotificationService
from apps.core.states import Priority

from . import texting
from .models import Profile, Repair, RepairBatch, RepairEvent, Status
from .models.batch import breaks

#: Priorities that send text messages. Above the limits of `texting`, MEDIUM replaces them.
TEXTING = (Priority.URGENT, Priority.HIGH)
#: Characters of a user's text in a message.
LONGEST_QUOTE = 500

APPROVAL = Category("approval", "Approvals")
ASSIGNMENT = Category("assignment", "Assignments")
REPAIR_STATUS = Category("repair_status", "Repair status")

NEXT_STEP = {
    Status.REQUESTED: "Look at the damage and submit an estimate.",
    Status.AWAITING_APPROVAL: "Wait for the approval before you start.",
    Status.APPROVED: "You can start.",
    Status.IN_PROGRESS: "The work has begun; finish it.",
}


class Job(Context):
    """The repair or batch that a message is about, and its unit."""

    number: Text
    company: Text
    unit: Text
    vehicle: Text
    damage: Text


class PendingApproval(Context):
    job: Job
    estimate: Money
    submitted_by: Text


class Approved(Context):
    job: Job
    estimate: Money
    approved_by: Text


class Denied(Context):
    job: Job
    reason: Text
    denied_by: Text


class BatchApproved(Context):
    job: Job
    count: Count
    total: Money
    approved_by: Text


class Assigned(Context):
    job: Job
    status: Text
    next_step: Text
    assigned_by: Text


class ReassignedAway(Context):
    job: Job
    technician: Text
    reassigned_by: Text


class InProgress(Context):
    job: Job
    technician: Text


class Completed(Context):
    job: Job
    technician: Text
    final_cost: Money


_REPAIR = Job(
    number="R-1042",
    company="Redwood Freight",
    unit="417",
    vehicle="2021 Freightliner Cascadia",
    damage="Star break, driver side",
)

REPAIR_PENDING_APPROVAL = register(
    NotificationKind(
        "repair_pending_approval",
        "Repair awaiting approval",
        APPROVAL,
        Priority.HIGH,
        PendingApproval(job=_REPAIR, estimate=Decimal("412.50"), submitted_by="Jane Ortiz"),
    )
)
REPAIR_APPROVED = register(
    NotificationKind(
        "repair_approved",
        "Repair approved",
        APPROVAL,
        Priority.URGENT,
        Approved(job=_REPAIR, estimate=Decimal("412.50"), approved_by="Maria Alvarez"),
    )
)
REPAIR_DENIED = register(
    NotificationKind(
        "repair_denied",
        "Repair denied",
        APPROVAL,
        Priority.URGENT,
        Denied(
            job=_REPAIR,
            reason="We sell this unit at the end of the month.",
            denied_by="Maria Alvarez",
        ),
    )
)
BATCH_APPROVED = register(
    NotificationKind(
        "batch_approved",
        "Batch approved",
        APPROVAL,
        Priority.URGENT,
        BatchApproved(
            job=_REPAIR.model_copy(update={"number": "B-1007", "damage": "3 breaks"}),
            count=3,
            total=Decimal("655.00"),
            approved_by="Maria Alvarez",
        ),
    )
)
REPAIR_ASSIGNED = register(
    NotificationKind(
        "repair_assigned",
        "Repair assigned to you",
        ASSIGNMENT,
        Priority.HIGH,
        Assigned(
            job=_REPAIR,
            status=Status.APPROVED.label,
            next_step=NEXT_STEP[Status.APPROVED],
            assigned_by="Sam Whitaker",
        ),
    )
)
REPAIR_REASSIGNED_AWAY = register(
    NotificationKind(
        "repair_reassigned_away",
        "Repair given to another technician",
        ASSIGNMENT,
        Priority.MEDIUM,
        ReassignedAway(job=_REPAIR, technician="Tom Becker", reassigned_by="Sam Whitaker"),
    )
)
REPAIR_IN_PROGRESS = register(
    NotificationKind(
        "repair_in_progress",
        "Repair started",
        REPAIR_STATUS,
        Priority.MEDIUM,
        InProgress(job=_REPAIR, technician="Jane Ortiz"),
    )
)
REPAIR_COMPLETED = register(
    NotificationKind(
        "repair_completed",
        "Repair completed",
        REPAIR_STATUS,
        Priority.HIGH,
        Completed(job=_REPAIR, technician="Jane Ortiz", final_cost=Decimal("398.00")),
    )
)


def notify_pending_approval(about: Repair | RepairBatch, event: RepairEvent) -> None:
    waiting = ""
    if isinstance(about, RepairBatch):
        waiting = breaks(about.repairs.filter(status=Status.AWAITING_APPROVAL).count())
    context = PendingApproval(
        job=_job(about, waiting), estimate=_estimate(about), submitted_by=event.actor.name
    )
    _notify(REPAIR_PENDING_APPROVAL, _managers(about), context, about, event)


def notify_approved(repair: Repair, event: RepairEvent) -> None:
    context = Approved(job=_job(repair), estimate=_estimate(repair), approved_by=event.actor.name)
    _notify(REPAIR_APPROVED, _technician(repair), context, repair, event)


def notify_denied(repair: Repair, event: RepairEvent) -> None:
    reason = user_text.quotable(repair.denial_reason, LONGEST_QUOTE)
    context = Denied(job=_job(repair), reason=reason, denied_by=event.actor.name)
    _notify(REPAIR_DENIED, _technician(repair), context, repair, event)


def notify_batch_approved(batch: RepairBatch, events: Iterable[RepairEvent]) -> None:
    """Tell each technician about their own share of the approved repairs."""
    shares: defaultdict[Profile, list[RepairEvent]] = defaultdict(list)
    for event in events:
        if event.repair.technician:
            shares[event.repair.technician].append(event)
    for technician, share in shares.items():
        _notify_share_approved(batch, technician, share)


def _notify_share_approved(
    batch: RepairBatch, technician: Profile, share: Sequence[RepairEvent]
) -> None:
    context = BatchApproved(
        job=_job(batch, damage=breaks(len(share))),
        count=len(share),
        total=sum((_estimate(event.repair) for event in share), Decimal(0)),
        approved_by=share[0].actor.name,
    )
    _notify(BATCH_APPROVED, [technician], context, batch, share[0])


def notify_assigned(about: Repair | RepairBatch, event: RepairEvent) -> None:
    status = _status(about)
    context = Assigned(
        job=_job(about),
        status=status.label,
        next_step=NEXT_STEP[status],
        assigned_by=event.actor.name,
    )
    _notify(REPAIR_ASSIGNED, _technician(event.repair), context, about, event)


def notify_reassigned(repair: Repair, event: RepairEvent, previous: Profile) -> None:
    """Tell the new technician and the previous one."""
    notify_assigned(repair, event)
    [technician] = _technician(repair)
    context = ReassignedAway(
        job=_job(repair), technician=technician.name, reassigned_by=event.actor.name
    )
    # The previous technician can no longer open the repair's page.
    _notify(REPAIR_REASSIGNED_AWAY, [previous], context, repair, event, url=reverse("repairs:home"))


def notify_started(repair: Repair, event: RepairEvent) -> None:
    context = InProgress(job=_job(repair), technician=event.actor.name)
    _notify(REPAIR_IN_PROGRESS, _managers(repair), context, repair, event)


def notify_completed(repair: Repair, event: RepairEvent) -> None:
    context = Completed(
        job=_job(repair), technician=event.actor.name, final_cost=cast(Decimal, repair.final_cost)
    )
    _notify(REPAIR_COMPLETED, _managers(repair), context, repair, event)


def _notify(
    kind: NotificationKind,
    people: Iterable[Profile],
    context: Context,
    about: Repair | RepairBatch,
    event: RepairEvent,
    *,
    url: str = "",
) -> None:
    users = [person.user for person in people if person.user.is_active]
    priority = kind.priority
    causes_texts = users and priority in TEXTING and settings.SMS_ENABLED
    if causes_texts and not texting.reserve(event, about.unit.company, len(users)):
        priority = Priority.MEDIUM
    NotificationService().notify(
        kind.name,
        users,
        context.model_dump(mode="json"),
        priority=priority,
        about=about,
        action_url=url or about.get_absolute_url(),
        dedup_key=f"{kind.name}:{event.pk}",
    )


def _managers(about: Repair | RepairBatch) -> Iterable[Profile]:
    return about.unit.company.managers.select_related("user")


def _technician(repair: Repair) -> list[Profile]:
    return [repair.technician] if repair.technician else []


def _job(about: Repair | RepairBatch, damage: str = "") -> Job:
    unit = about.unit
    return Job(
        number=about.number,
        company=user_text.clean_line(unit.company.name),
        unit=user_text.clean_line(unit.number),
        vehicle=user_text.clean_line(unit.description),
        damage=damage or about.summary,
    )


def _estimate(about: Repair | RepairBatch) -> Decimal:
    if isinstance(about, Repair):
        return cast(Decimal, about.estimate)
    return about.repairs.filter(status=Status.AWAITING_APPROVAL).total_estimate()


def _status(about: Repair | RepairBatch) -> Status:
    """Return the repair's status, or the least advanced status in the batch."""
    repairs = [about] if isinstance(about, Repair) else about.repairs.all()
    return min((Status(repair.status) for repair in repairs), key=list(Status).index)
