"""Move repairs to another status: one conditional UPDATE and its events, or the reason why not."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from .exceptions import AlreadyDone, NotAllowed, RepairError
from .models import EventAction, Profile, Repair, RepairBatch, RepairEvent, Role
from .permissions import RULES, Action, refusal, status_refusal

MAX_NOTE = 600
ANY = Q()


def move(
    action: Action,
    repair: Repair,
    by: Profile,
    done: EventAction,
    note: str = "",
    *,
    still: Q = ANY,
    former: Profile | None = None,
    **values: Any,
) -> RepairEvent:
    """Change the row if its status allows the action, and write the history."""
    _check(action, repair, by)
    now = timezone.now()
    # No joins here: after waiting for another writer, PostgreSQL checks again only the
    # row's own columns.
    rows = Repair.objects.filter(still, pk=repair.pk, status__in=RULES[action].statuses)
    if by.role == Role.TECHNICIAN:
        rows = rows.filter(technician=by)
    # Lock the row before its present values are read: an undo restores them.
    before = rows.select_for_update().values(*values).first()
    if not before or not rows.update(**values, updated_at=now):
        raise _reason_not_moved(action, repair, by)
    repair.refresh_from_db(from_queryset=Repair.objects.with_details())
    return repair.events.create(
        at=now,
        actor=by,
        action=done,
        note=note[:MAX_NOTE],
        before=before,
        former_technician=former,
    )


def move_batch(
    action: Action,
    batch: RepairBatch,
    by: Profile,
    done: EventAction,
    note: str = "",
    **values: Any,
) -> list[RepairEvent]:
    """Change the repairs of the batch whose status allows the action, and write their history."""
    _check(action, batch, by)
    allowed = batch.repairs.filter(status__in=RULES[action].statuses)
    # Lock first, to know which repairs the UPDATE changes. Read them after it.
    rows = allowed.order_by("pk").select_for_update().values("pk", *values)
    before = {row.pop("pk"): row for row in rows}
    now = timezone.now()
    if not allowed.filter(pk__in=before).update(**values, updated_at=now):
        raise _reason_batch_not_moved(action, batch)
    repairs = Repair.objects.with_details().filter(pk__in=before).order_by("pk")
    return RepairEvent.objects.bulk_create(
        RepairEvent(
            repair=repair, at=now, actor=by, action=done, note=note, before=before[repair.pk]
        )
        for repair in repairs
    )


def _check(action: Action, about: Repair | RepairBatch, by: Profile) -> None:
    if problem := refusal(action, about, by):
        raise NotAllowed(problem)


def _reason_not_moved(action: Action, repair: Repair, by: Profile) -> RepairError:
    """Return the error that explains why the conditional UPDATE found no row."""
    repair.refresh_from_db(from_queryset=Repair.objects.with_details())
    if problem := refusal(action, repair, by):
        return NotAllowed(problem)
    return _already_done(action, repair.number, repair.events.all()) or NotAllowed(
        status_refusal(action, repair)
    )


def _reason_batch_not_moved(action: Action, batch: RepairBatch) -> RepairError:
    events = RepairEvent.objects.filter(repair__batch=batch)
    return _already_done(action, batch.number, events) or NotAllowed(
        gettext("No repair of {number} is awaiting approval.").format(number=batch.number)
    )


def _already_done(action: Action, number: str, events: QuerySet[RepairEvent]) -> AlreadyDone | None:
    done = events.filter(action__in=RULES[action].done_by, undone_by=None)
    event = done.select_related("actor__user").last()
    return AlreadyDone(number, event) if event else None
