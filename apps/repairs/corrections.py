"""What an undo tells people: stop what has not left, correct what has, and ask again."""

from collections.abc import Sequence
from datetime import timedelta

from apps.core.states import Priority

from . import kinds
from .models import EventAction, Profile, Repair, RepairBatch, RepairEvent, Status
from .notifications import notify_cost_pending, notify_pending_approval, notify_unassigned
from .sending import hold, job, managers, notify, technician_of
from .settling import REMINDERS, settle

#: An undo this close to the end of a hold counts as too late: the message may be leaving.
MARGIN = timedelta(seconds=1)
#: What a manager decides. The technician is told.
BY_MANAGERS = (
    EventAction.APPROVED,
    EventAction.DENIED,
    EventAction.COST_APPROVED,
    EventAction.COST_DENIED,
)
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


def notify_undone(
    about: Repair | RepairBatch, events: Sequence[RepairEvent], undone: Sequence[RepairEvent]
) -> None:
    """Stop the messages about these events, correct those that have left, and ask again."""
    sent, now = TELLS_OF[EventAction(events[0].action)], undone[0]
    settle(about, now, [*sent, *REMINDERS, kinds.REPAIR_UNASSIGNED])
    if now.at < events[0].at + min(map(hold, sent)) - MARGIN:
        RepairEvent.objects.filter(pk__in=[event.pk for event in events]).update(texts=0)
    else:
        _notify_taken_back(about, events, now)
    repair = now.repair
    if repair.status == Status.AWAITING_APPROVAL and not _is_asked_about(events):
        notify_pending_approval(repair.batch or repair, now, again=True)
    if repair.status == Status.COST_APPROVAL:
        notify_cost_pending(repair, now, again=True)
    if any(event.repair.is_unassigned for event in undone):
        notify_unassigned(about, now, priority=Priority.LOW)


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
        people.update(each for event in events for each in technician_of(event.repair))
    if action not in BY_MANAGERS or action == EventAction.COST_APPROVED:
        people.update(managers(about))
    context = kinds.TakenBack(
        job=job(about),
        what=kinds.UNDONE[action],
        status=undone.repair.get_status_display(),
        undone_by=undone.actor.name,
    )
    priority = TELLS_OF[action][0].priority
    told = people - {undone.actor}
    notify(kinds.REPAIR_TAKEN_BACK, told, context, about, undone, priority=priority)
