"""The notifications about repairs: one function per event settles what is over and sends them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

from django.conf import settings

from apps.core.message import user_text
from apps.core.message.kinds import Context, NotificationKind
from apps.core.services.notification import NotificationService
from apps.core.states import Priority

from . import kinds, photos, texting
from .models import EventAction, Moment, Profile, Repair, RepairBatch, RepairEvent, Role, Status
from .models.batch import breaks
from .models.repair import CLOSED

#: Priorities that send text messages. Above the limits of `texting`, MEDIUM replaces them.
TEXTING = (Priority.URGENT, Priority.HIGH)
#: Characters of a user's text in a message.
LONGEST_QUOTE = 500
#: How long a message waits, so that an undo stops it. An urgent one cannot wait longer.
HOLD = timedelta(seconds=10)
HOLD_URGENT = timedelta(seconds=5)
#: An undo this close to the end of a hold counts as too late: the message may be leaving.
MARGIN = timedelta(seconds=1)

#: What a manager decides. The technician is told.
BY_MANAGERS = (
    EventAction.APPROVED,
    EventAction.DENIED,
    EventAction.COST_APPROVED,
    EventAction.COST_DENIED,
)

REMINDERS = (kinds.REPAIR_APPROVAL_REMINDER, kinds.REPAIR_APPROVAL_OVERDUE)
#: What asks the managers for a decision. It is settled once one of them has decided.
REQUESTS = (kinds.REPAIR_PENDING_APPROVAL, kinds.REPAIR_COST_PENDING, *REMINDERS)
#: What tells a technician that work waits. It is settled once they do it or lose it.
TASKS = (kinds.REPAIR_ASSIGNED, kinds.REPAIR_APPROVED, kinds.REPAIR_COST_DENIED)
MADE_STALE_BY_COMPLETION = (*TASKS, kinds.REPAIR_IN_PROGRESS, kinds.REPAIR_TAKEN_BACK)
#: The kinds that tell of an action which can be undone.
TELLS_OF = {
    EventAction.APPROVED: (kinds.REPAIR_APPROVED, kinds.BATCH_APPROVED),
    EventAction.DENIED: (kinds.REPAIR_DENIED,),
    EventAction.STARTED: (kinds.REPAIR_IN_PROGRESS,),
    EventAction.COMPLETED: (kinds.REPAIR_COMPLETED,),
    EventAction.COST_SUBMITTED: (kinds.REPAIR_COST_PENDING,),
    EventAction.COST_APPROVED: (kinds.REPAIR_COST_APPROVED, kinds.REPAIR_COMPLETED),
    EventAction.COST_DENIED: (kinds.REPAIR_COST_DENIED,),
}


def notify_requested(about: Repair | RepairBatch, event: RepairEvent) -> None:
    """Tell the office of a request without a technician."""
    if event.repair.is_unassigned:
        _notify_unassigned(about, event)


def notify_pending_approval(
    about: Repair | RepairBatch, event: RepairEvent, *, again: bool = False
) -> None:
    """Ask the managers, and remind people later. `again` asks in the app only."""
    if again:
        _settle(about, event, REQUESTS)
    waiting = ""
    if isinstance(about, RepairBatch):
        waiting = breaks(about.repairs.filter(status=Status.AWAITING_APPROVAL).count())
    context = kinds.PendingApproval(
        job=_job(about, waiting),
        estimate=_estimate(about),
        submitted_by=_submitter(event),
        photo=photos.in_message(about, Moment.DAMAGE),
    )
    priority = Priority.LOW if again else None
    _notify(
        kinds.REPAIR_PENDING_APPROVAL, _managers(about), context, about, event, priority=priority
    )
    _remind(about, event)


def notify_cost_pending(repair: Repair, event: RepairEvent, *, again: bool = False) -> None:
    """Ask the managers about a final cost above the estimate. `again` as above."""
    _settle(repair, event, [*REQUESTS, *MADE_STALE_BY_COMPLETION])
    context = kinds.CostPending(
        job=_job(repair),
        technician=cast(Profile, repair.technician).name,
        approved=_estimate(repair),
        final_cost=cast(Decimal, repair.final_cost),
        reason=_quoted(repair.cost_reason),
        photo=photos.in_message(repair, Moment.DAMAGE, Moment.FINISHED),
    )
    priority = Priority.LOW if again else None
    _notify(kinds.REPAIR_COST_PENDING, _managers(repair), context, repair, event, priority=priority)
    _remind(repair, event)


def _remind(about: Repair | RepairBatch, event: RepairEvent) -> None:
    for kind, people, hours in (
        (kinds.REPAIR_APPROVAL_REMINDER, _managers(about), settings.APPROVAL_REMINDER_H),
        (kinds.REPAIR_APPROVAL_OVERDUE, _office(), settings.APPROVAL_OVERDUE_H),
    ):
        context = kinds.ApprovalWaits(job=_job(about), hours=hours)
        _notify(kind, people, context, about, event, at=event.at + timedelta(hours=hours))


def notify_approved(repair: Repair, event: RepairEvent) -> None:
    _settle(repair, event, REQUESTS)
    if repair.is_unassigned:
        _notify_unassigned(repair, event)
    context = kinds.Approved(
        job=_job(repair), estimate=_estimate(repair), approved_by=event.actor.name
    )
    _notify(kinds.REPAIR_APPROVED, _technician(repair), context, repair, event)


def notify_denied(repair: Repair, event: RepairEvent) -> None:
    _settle(repair, event, [*REQUESTS, *TASKS, kinds.REPAIR_UNASSIGNED])
    if repair.batch:
        _settle_done_parts(repair.batch, event)
    context = kinds.Denied(
        job=_job(repair), reason=_quoted(repair.denial_reason), denied_by=event.actor.name
    )
    _notify(kinds.REPAIR_DENIED, _technician(repair), context, repair, event)


def notify_batch_denied(batch: RepairBatch, events: Sequence[RepairEvent]) -> None:
    """Tell each technician about their own share of the denied repairs."""
    if len(events) == 1:
        notify_denied(events[0].repair, events[0])
        return
    for event in events:
        _settle(event.repair, event, [*REQUESTS, *TASKS, kinds.REPAIR_UNASSIGNED])
    _settle_done_parts(batch, events[0])
    for technician, share in _shares(events).items():
        context = kinds.Denied(
            job=_job(batch, damage=breaks(len(share))),
            reason=_quoted(share[0].repair.denial_reason),
            denied_by=share[0].actor.name,
            count=len(share),
        )
        people = [technician] if technician else []
        _notify(kinds.REPAIR_DENIED, people, context, batch, share[0])


def notify_batch_approved(batch: RepairBatch, events: Sequence[RepairEvent]) -> None:
    """Tell each technician about their own share of the approved repairs."""
    _settle(batch, events[0], REQUESTS)
    for technician, share in _shares(events).items():
        if technician:
            _notify_share_approved(batch, technician, share)
        else:
            _notify_unassigned(batch, share[0], breaks(len(share)))


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
        job=_job(batch, damage=breaks(len(share))),
        count=len(share),
        total=sum((_estimate(event.repair) for event in share), Decimal(0)),
        approved_by=share[0].actor.name,
    )
    _notify(kinds.BATCH_APPROVED, [technician], context, batch, share[0])


def notify_assigned(about: Repair | RepairBatch, event: RepairEvent) -> None:
    status = _status(about)
    context = kinds.Assigned(
        job=_job(about),
        status=status.label,
        next_step=kinds.NEXT_STEP[status],
        assigned_by=event.actor.name,
    )
    _notify(kinds.REPAIR_ASSIGNED, _technician(event.repair), context, about, event)


def notify_reassigned(repair: Repair, event: RepairEvent, previous: Profile) -> None:
    """Tell the new technician and the previous one."""
    notify_assigned(repair, event)
    [technician] = _technician(repair)
    context = kinds.ReassignedAway(
        job=_job(repair), technician=technician.name, reassigned_by=event.actor.name
    )
    _notify(kinds.REPAIR_REASSIGNED_AWAY, [previous], context, repair, event)


def notify_started(repair: Repair, event: RepairEvent) -> None:
    _settle(repair, event, [*TASKS, kinds.REPAIR_TAKEN_BACK])
    context = kinds.InProgress(job=_job(repair), technician=event.actor.name)
    _notify(kinds.REPAIR_IN_PROGRESS, _managers(repair), context, repair, event)


def notify_completed(repair: Repair, event: RepairEvent) -> None:
    _settle(repair, event, [*REQUESTS, *MADE_STALE_BY_COMPLETION])
    cost = cast(Decimal, repair.final_cost)
    context = kinds.Completed(
        job=_job(repair),
        technician=cast(Profile, repair.technician).name,
        # A decision on the higher cost has approved all of it.
        approved=cost if event.action == EventAction.COST_APPROVED else _estimate(repair),
        final_cost=cost,
        reason=_quoted(repair.cost_reason),
        photo=photos.in_message(repair, Moment.FINISHED),
    )
    _notify(kinds.REPAIR_COMPLETED, _managers(repair), context, repair, event)


def notify_cost_approved(repair: Repair, event: RepairEvent) -> None:
    """Tell the technician of the decision, and the managers that the repair is completed."""
    notify_completed(repair, event)
    context = kinds.CostApproved(
        job=_job(repair),
        approved=_estimate(repair),
        final_cost=cast(Decimal, repair.final_cost),
        approved_by=event.actor.name,
    )
    _notify(kinds.REPAIR_COST_APPROVED, _technician(repair), context, repair, event)


def notify_cost_denied(repair: Repair, event: RepairEvent, asked: Decimal, reason: str) -> None:
    _settle(repair, event, REQUESTS)
    context = kinds.CostDenied(
        job=_job(repair),
        approved=_estimate(repair),
        final_cost=asked,
        reason=_quoted(reason),
        denied_by=event.actor.name,
    )
    _notify(kinds.REPAIR_COST_DENIED, _technician(repair), context, repair, event)


def notify_undone(
    about: Repair | RepairBatch, events: Sequence[RepairEvent], undone: Sequence[RepairEvent]
) -> None:
    """Stop the messages about these events, correct those that have left, and ask again."""
    sent, now = TELLS_OF[EventAction(events[0].action)], undone[0]
    _settle(about, now, [*sent, *REMINDERS, kinds.REPAIR_UNASSIGNED])
    if now.at < events[0].at + min(map(_hold, sent)) - MARGIN:
        RepairEvent.objects.filter(pk__in=[event.pk for event in events]).update(texts=0)
    else:
        _notify_taken_back(about, events, now)
    repair = now.repair
    if repair.status == Status.AWAITING_APPROVAL and not _is_asked_about(events):
        notify_pending_approval(repair.batch or repair, now, again=True)
    if repair.status == Status.COST_APPROVAL:
        notify_cost_pending(repair, now, again=True)
    if any(event.repair.is_unassigned for event in undone):
        _notify_unassigned(about, now, priority=Priority.LOW)


def _is_asked_about(events: Sequence[RepairEvent]) -> bool:
    """Return whether the request of the batch still stands, because of its other repairs."""
    batch = events[0].repair.batch
    if not batch:
        return False
    others = batch.repairs.exclude(pk__in=[event.repair_id for event in events])
    return others.filter(status=Status.AWAITING_APPROVAL).exists()


def _notify_taken_back(
    about: Repair | RepairBatch, events: Sequence[RepairEvent], undone: RepairEvent
) -> None:
    action = EventAction(events[0].action)
    people: set[Profile] = set()
    if action in BY_MANAGERS:
        people.update(each for event in events for each in _technician(event.repair))
    if action not in BY_MANAGERS or action == EventAction.COST_APPROVED:
        people.update(_managers(about))
    context = kinds.TakenBack(
        job=_job(about),
        what=kinds.UNDONE[action],
        status=undone.repair.get_status_display(),
        undone_by=undone.actor.name,
    )
    priority = TELLS_OF[action][0].priority
    told = people - {undone.actor}
    _notify(kinds.REPAIR_TAKEN_BACK, told, context, about, undone, priority=priority)


def _notify_unassigned(
    about: Repair | RepairBatch,
    event: RepairEvent,
    damage: str = "",
    *,
    priority: Priority | None = None,
) -> None:
    context = kinds.Unassigned(
        job=_job(about, damage),
        status=event.repair.get_status_display(),
        event=event.get_action_display(),
        by=event.actor.name,
    )
    # Who leaves the choice for later knows it.
    people = [person for person in _office() if person != event.actor]
    _notify(kinds.REPAIR_UNASSIGNED, people, context, about, event, priority=priority)


def settle_priced(repair: Repair, event: RepairEvent) -> None:
    """Settle the task of the technician who has priced the repair."""
    if event.actor == repair.technician:
        _settle(repair, event, TASKS)


def settle_assigned(repair: Repair, event: RepairEvent) -> None:
    """Settle the search for a technician, and the tasks of the previous one."""
    _settle(repair, event, [*TASKS, kinds.REPAIR_UNASSIGNED])
    if repair.batch:
        _settle_done_parts(repair.batch, event)


def _settle_done_parts(batch: RepairBatch, event: RepairEvent) -> None:
    """Settle what is about the batch and waits for no repair of it any more."""
    if not batch.repairs.exclude(status__in=CLOSED).exists():
        _settle(batch, event, TASKS)
    if not batch.repairs.filter(status=Status.AWAITING_APPROVAL).exists():
        _settle(batch, event, REQUESTS)
    if not batch.repairs.unassigned().exists():
        _settle(batch, event, [kinds.REPAIR_UNASSIGNED])


def _settle(
    about: Repair | RepairBatch, event: RepairEvent, over: Iterable[NotificationKind]
) -> None:
    because = f"{event.get_action_display().lower()} by {event.actor.name}"
    NotificationService().settle(about, kinds=[kind.name for kind in over], because=because)


def _hold(kind: NotificationKind) -> timedelta:
    return HOLD_URGENT if kind.priority == Priority.URGENT else HOLD


def _notify(
    kind: NotificationKind,
    people: Iterable[Profile],
    context: Context,
    about: Repair | RepairBatch,
    event: RepairEvent,
    *,
    priority: Priority | None = None,
    at: datetime | None = None,
) -> None:
    """Notify at the given time; by default at once, or when the event can't be undone any more."""
    users = [person.user for person in people if person.user.is_active]
    if at is None and event.action in kinds.UNDONE:
        at = event.at + _hold(kind)
    priority = kind.priority if priority is None else priority
    causes_texts = users and priority in TEXTING and settings.SMS_ENABLED
    if causes_texts and not texting.reserve(event, about.unit.company, len(users)):
        priority = Priority.MEDIUM
    NotificationService().notify(
        kind.name,
        users,
        context.model_dump(mode="json"),
        priority=priority,
        about=about,
        action_url=about.get_absolute_url(),
        scheduled_for=at,
        dedup_key=f"{kind.name}:{event.pk}",
    )


def _managers(about: Repair | RepairBatch) -> Iterable[Profile]:
    return about.unit.company.managers.select_related("user")


def _office() -> Iterable[Profile]:
    return Profile.objects.filter(role=Role.OFFICE).select_related("user")


def _technician(repair: Repair) -> list[Profile]:
    return [repair.technician] if repair.technician else []


def _job(about: Repair | RepairBatch, damage: str = "") -> kinds.Job:
    unit = about.unit
    return kinds.Job(
        number=about.number,
        company=user_text.clean_line(unit.company.name),
        unit=user_text.clean_line(unit.number),
        vehicle=user_text.clean_line(unit.description),
        damage=damage or about.summary,
    )


def _quoted(text: str) -> str:
    return user_text.quotable(text, LONGEST_QUOTE)


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
