"""Settle what an event makes pointless: such a message does not leave, and goes from the bell."""

from collections.abc import Iterable

from apps.core.message.kinds import NotificationKind
from apps.core.services.notification import NotificationService

from . import kinds
from .models import Repair, RepairBatch, RepairEvent, Status
from .models.repair import CLOSED

REMINDERS = (kinds.REPAIR_APPROVAL_REMINDER, kinds.REPAIR_APPROVAL_OVERDUE)
#: What asks the managers for a decision. It is settled once one of them has decided.
REQUESTS = (kinds.REPAIR_PENDING_APPROVAL, kinds.REPAIR_COST_PENDING, *REMINDERS)
#: What tells a technician that work waits. It is settled once they do it or lose it.
TASKS = (kinds.REPAIR_ASSIGNED, kinds.REPAIR_APPROVED, kinds.REPAIR_COST_DENIED)
MADE_STALE_BY_COMPLETION = (*TASKS, kinds.REPAIR_IN_PROGRESS, kinds.REPAIR_TAKEN_BACK)


def settle(
    about: Repair | RepairBatch, event: RepairEvent, over: Iterable[NotificationKind]
) -> None:
    """Settle the notifications about this, of these kinds, because of the event."""
    because = f"{event.get_action_display().lower()} by {event.actor.name}"
    NotificationService().settle(about, kinds=[kind.name for kind in over], because=because)


def settle_priced(repair: Repair, event: RepairEvent) -> None:
    """Settle the task of the technician who has priced the repair."""
    if event.actor == repair.technician:
        settle(repair, event, TASKS)


def settle_assigned(repair: Repair, event: RepairEvent) -> None:
    """Settle the search for a technician, and the tasks of the previous one."""
    settle(repair, event, [*TASKS, kinds.REPAIR_UNASSIGNED])
    if repair.batch:
        settle_done_parts(repair.batch, event)


def settle_done_parts(batch: RepairBatch, event: RepairEvent) -> None:
    """Settle what is about the batch and waits for no repair of it any more."""
    if not batch.repairs.exclude(status__in=CLOSED).exists():
        settle(batch, event, TASKS)
    if not batch.repairs.filter(status=Status.AWAITING_APPROVAL).exists():
        settle(batch, event, REQUESTS)
    if not batch.repairs.unassigned().exists():
        settle(batch, event, [kinds.REPAIR_UNASSIGNED])
