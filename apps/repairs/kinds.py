"""The kinds of notification about repairs: their contexts, urgency and samples."""

from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext_noop

from apps.core.message.kinds import (
    Category,
    Context,
    Count,
    Money,
    NotificationKind,
    Picture,
    Text,
    Tone,
    register,
)
from apps.core.states import Channel, Priority

from .models import EventAction, Status

APPROVAL = Category("approval", gettext_noop("Approvals"))
ASSIGNMENT = Category("assignment", gettext_noop("Assignments"))
REPAIR_STATUS = Category("repair_status", gettext_noop("Repair status"))

NEXT_STEP = {
    Status.REQUESTED: gettext_noop("Look at the damage and submit an estimate."),
    Status.AWAITING_APPROVAL: gettext_noop("Wait for the approval before you start."),
    Status.APPROVED: gettext_noop("You can start."),
    Status.IN_PROGRESS: gettext_noop("The work has begun; finish it."),
    Status.COST_APPROVAL: gettext_noop("A manager decides on the final cost."),
}

#: Requests that come within this time of the first one reach a manager together.
BURST = timedelta(minutes=10)

#: The actions that can be undone, in words.
UNDONE = {
    EventAction.APPROVED: gettext_noop("the approval"),
    EventAction.DENIED: gettext_noop("the denial"),
    EventAction.STARTED: gettext_noop("the start"),
    EventAction.COMPLETED: gettext_noop("the completion"),
    EventAction.COST_SUBMITTED: gettext_noop("the higher cost"),
    EventAction.COST_APPROVED: gettext_noop("the approval of the higher cost"),
    EventAction.COST_DENIED: gettext_noop("the denial of the higher cost"),
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
    photo: Picture | None = None


class Approved(Context):
    job: Job
    estimate: Money
    approved_by: Text


class Denied(Context):
    job: Job
    reason: Text
    denied_by: Text
    #: Repairs; more than one in a batch that was denied as a whole.
    count: Count = 1


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
    """`reason` is "" unless the final cost is above the estimate."""

    job: Job
    technician: Text
    approved: Money
    final_cost: Money
    reason: str
    photo: Picture | None = None


class Unassigned(Context):
    """`event` is the label of what happened last; messages of earlier versions have `since`."""

    job: Job
    status: Text
    event: str = ""
    by: str = ""
    since: str = ""


class ApprovalWaits(Context):
    job: Job
    hours: Count


class CostPending(Context):
    job: Job
    technician: Text
    approved: Money
    final_cost: Money
    reason: Text
    photo: Picture | None = None


class CostApproved(Context):
    job: Job
    approved: Money
    final_cost: Money
    approved_by: Text


class CostDenied(Context):
    job: Job
    approved: Money
    final_cost: Money
    reason: Text
    denied_by: Text


class TakenBack(Context):
    job: Job
    what: Text
    status: Text
    undone_by: Text


_REPAIR = Job(
    number="R-1042",
    company="Redwood Freight",
    unit="417",
    vehicle="2021 Freightliner Cascadia",
    damage="Star break, driver side",
)
#: `python -m tools.sample_photo` draws it.
_PHOTO = Picture(
    url="/static/sample-photo.jpg", width=640, height=480, shows="Star break, driver side"
)

REPAIR_PENDING_APPROVAL = register(
    NotificationKind(
        "repair_pending_approval",
        gettext_noop("Repair awaiting approval"),
        APPROVAL,
        Priority.HIGH,
        PendingApproval(
            job=_REPAIR, estimate=Decimal("412.50"), submitted_by="Jane Ortiz", photo=_PHOTO
        ),
        event=gettext_noop("requested"),
        keeps_one_outside=True,
        is_stale_when_read=True,
        goes_to_deputy=True,
        bundle=BURST,
        tone=Tone.WAITING,
    )
)
REPAIR_APPROVED = register(
    NotificationKind(
        "repair_approved",
        gettext_noop("Repair approved"),
        APPROVAL,
        Priority.URGENT,
        Approved(job=_REPAIR, estimate=Decimal("412.50"), approved_by="Maria Alvarez"),
        event=gettext_noop("approved"),
        keeps_one_outside=True,
        tone=Tone.GOOD,
    )
)
REPAIR_DENIED = register(
    NotificationKind(
        "repair_denied",
        gettext_noop("Repair denied"),
        APPROVAL,
        Priority.URGENT,
        Denied(
            job=_REPAIR,
            reason="We sell this unit at the end of the month.",
            denied_by="Maria Alvarez",
        ),
        event=gettext_noop("denied"),
        keeps_one_outside=True,
        tone=Tone.BAD,
    )
)
BATCH_APPROVED = register(
    NotificationKind(
        "batch_approved",
        gettext_noop("Batch approved"),
        APPROVAL,
        Priority.URGENT,
        BatchApproved(
            job=_REPAIR.model_copy(update={"number": "B-1007", "damage": "3 breaks"}),
            count=3,
            total=Decimal("655.00"),
            approved_by="Maria Alvarez",
        ),
        event=gettext_noop("approved"),
        keeps_one_outside=True,
        tone=Tone.GOOD,
    )
)
REPAIR_ASSIGNED = register(
    NotificationKind(
        "repair_assigned",
        gettext_noop("Repair assigned to you"),
        ASSIGNMENT,
        Priority.HIGH,
        Assigned(
            job=_REPAIR,
            status=Status.APPROVED.label,
            next_step=NEXT_STEP[Status.APPROVED],
            assigned_by="Sam Whitaker",
        ),
        event=gettext_noop("assigned"),
        is_stale_when_read=True,
        tone=Tone.WAITING,
    )
)
REPAIR_REASSIGNED_AWAY = register(
    NotificationKind(
        "repair_reassigned_away",
        gettext_noop("Repair given to another technician"),
        ASSIGNMENT,
        Priority.MEDIUM,
        ReassignedAway(job=_REPAIR, technician="Tom Becker", reassigned_by="Sam Whitaker"),
        event=gettext_noop("reassigned"),
    )
)
REPAIR_IN_PROGRESS = register(
    NotificationKind(
        "repair_in_progress",
        gettext_noop("Repair started"),
        REPAIR_STATUS,
        Priority.MEDIUM,
        InProgress(job=_REPAIR, technician="Jane Ortiz"),
        event=gettext_noop("started"),
        is_stale_when_read=True,
    )
)
REPAIR_COMPLETED = register(
    NotificationKind(
        "repair_completed",
        gettext_noop("Repair completed"),
        REPAIR_STATUS,
        Priority.HIGH,
        Completed(
            job=_REPAIR,
            technician="Jane Ortiz",
            approved=Decimal("412.50"),
            final_cost=Decimal("430.00"),
            reason="A second leg opened under the bridge.",
            photo=_PHOTO,
        ),
        event=gettext_noop("completed"),
        also=frozenset({Channel.EMAIL}),
        tone=Tone.GOOD,
    )
)
REPAIR_UNASSIGNED = register(
    NotificationKind(
        "repair_unassigned",
        gettext_noop("Repair without a technician"),
        ASSIGNMENT,
        Priority.MEDIUM,
        Unassigned(
            job=_REPAIR,
            status=Status.APPROVED.label,
            event=EventAction.APPROVED.label,
            by="Maria Alvarez",
        ),
        event=gettext_noop("without a technician"),
        keeps_one_outside=True,
        is_stale_when_read=True,
        tone=Tone.WAITING,
    )
)
REPAIR_APPROVAL_REMINDER = register(
    NotificationKind(
        "repair_approval_reminder",
        gettext_noop("Approval still waits"),
        APPROVAL,
        Priority.MEDIUM,
        ApprovalWaits(job=_REPAIR, hours=24),
        event=gettext_noop("still waits"),
        is_stale_when_read=True,
        goes_to_deputy=True,
        tone=Tone.WAITING,
    )
)
REPAIR_APPROVAL_OVERDUE = register(
    NotificationKind(
        "repair_approval_overdue",
        gettext_noop("Managers do not decide"),
        APPROVAL,
        Priority.MEDIUM,
        ApprovalWaits(job=_REPAIR, hours=72),
        event=gettext_noop("overdue"),
        is_stale_when_read=True,
        tone=Tone.WAITING,
    )
)
REPAIR_COST_PENDING = register(
    NotificationKind(
        "repair_cost_pending",
        gettext_noop("Higher cost awaiting approval"),
        APPROVAL,
        Priority.HIGH,
        CostPending(
            job=_REPAIR,
            technician="Jane Ortiz",
            approved=Decimal("412.50"),
            final_cost=Decimal("520.00"),
            reason="A second leg opened under the bridge.",
            photo=_PHOTO,
        ),
        event=gettext_noop("higher cost asked"),
        keeps_one_outside=True,
        is_stale_when_read=True,
        goes_to_deputy=True,
        tone=Tone.WAITING,
    )
)
REPAIR_COST_APPROVED = register(
    NotificationKind(
        "repair_cost_approved",
        gettext_noop("Higher cost approved"),
        APPROVAL,
        Priority.MEDIUM,
        CostApproved(
            job=_REPAIR,
            approved=Decimal("412.50"),
            final_cost=Decimal("520.00"),
            approved_by="Maria Alvarez",
        ),
        event=gettext_noop("higher cost approved"),
        tone=Tone.GOOD,
    )
)
REPAIR_COST_DENIED = register(
    NotificationKind(
        "repair_cost_denied",
        gettext_noop("Higher cost denied"),
        APPROVAL,
        Priority.HIGH,
        CostDenied(
            job=_REPAIR,
            approved=Decimal("412.50"),
            final_cost=Decimal("520.00"),
            reason="We agreed on one break.",
            denied_by="Maria Alvarez",
        ),
        event=gettext_noop("higher cost denied"),
        keeps_one_outside=True,
        tone=Tone.BAD,
    )
)
REPAIR_TAKEN_BACK = register(
    NotificationKind(
        "repair_taken_back",
        gettext_noop("Action taken back"),
        APPROVAL,
        Priority.URGENT,
        TakenBack(
            job=_REPAIR,
            what=UNDONE[EventAction.APPROVED],
            status=Status.AWAITING_APPROVAL.label,
            undone_by="Maria Alvarez",
        ),
        event=gettext_noop("taken back"),
        keeps_one_outside=True,
    )
)
