"""Everything that changes a repair: one function per event.

Each function changes the row by one conditional UPDATE, writes the history and notifies, all in
one transaction. If another person was first it raises AlreadyDone; otherwise NotAllowed says why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from apps.core.message import user_text
from apps.core.message.kinds import format_money

from . import notifications, photos
from .exceptions import AlreadyDone, AlreadyRequested, NotAllowed, RepairError
from .models import (
    Company,
    Damage,
    EventAction,
    FleetUnit,
    Moment,
    Position,
    Profile,
    Repair,
    RepairBatch,
    RepairEvent,
    RepairPhoto,
    Role,
    Status,
)
from .permissions import (
    RULES,
    Action,
    new_unit_refusal,
    refusal,
    request_refusal,
    status_refusal,
    technician_problem,
)

MAX_AMOUNT = Decimal("99999.99")
MAX_REASON = 500
MAX_NOTE = 600
#: How long a second request for the same break is taken for a mistake.
SAME_BREAK = timedelta(hours=1)
ANY = Q()


@dataclass(frozen=True)
class Break:
    """One break of a windshield. `estimate` is in US dollars, or None if not priced yet."""

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
    token: UUID | None = None,
    photo: RepairPhoto | None = None,
) -> Repair:
    """Create a repair. If it has an estimate, ask the managers for approval.

    Raises AlreadyRequested if this person has sent the same token before.
    """
    _check_token(by, token)
    breaks = [Break(damage, position, description, estimate)]
    events = _open(by, unit, breaks, technician, None, token)
    _add_photo(photo, events[0].repair, Moment.DAMAGE, by)
    _announce(events[0].repair, events)
    return events[0].repair


@transaction.atomic
def request_batch(
    *,
    by: Profile,
    unit: FleetUnit,
    breaks: Sequence[Break],
    technician: Profile | None = None,
    token: UUID | None = None,
    photo: RepairPhoto | None = None,
) -> RepairBatch:
    """Create a repair for each break. Ask the managers once, when all are priced.

    The photo becomes the first break's.

    Raises AlreadyRequested if this person has sent the same token before.
    """
    if not breaks:
        raise NotAllowed(gettext("A batch needs at least one break."))
    _check_token(by, token)
    batch = RepairBatch.objects.create(unit=unit)
    events = _open(by, unit, breaks, technician, batch, token)
    _add_photo(photo, events[0].repair, Moment.DAMAGE, by)
    _announce(batch, events)
    return batch


def unit_of(
    company: Company, number: str, *, description: str, plate: str, by: Profile
) -> FleetUnit:
    """Return the company's vehicle with this number; create it if it is new."""
    if problem := new_unit_refusal(by, company):
        raise NotAllowed(problem)
    # The office may have entered both 12a and 12A.
    if unit := company.units.filter(number__iexact=number).order_by("pk").first():
        return unit
    return company.units.get_or_create(
        number=number, defaults={"description": description, "plate": plate}
    )[0]


def same_breaks(unit: FleetUnit, breaks: Sequence[Break]) -> list[Repair]:
    """Return the open repairs of the last hour that report one of these breaks of the unit."""
    same = Q()
    for item in breaks:
        same |= Q(damage=item.damage, position=item.position)
    recent = Repair.objects.filter(same, unit=unit, created_at__gt=timezone.now() - SAME_BREAK)
    return list(
        recent.exclude(status__in=[Status.DENIED, Status.COMPLETED])
        .select_related("requested_by__user", "batch")
        .order_by("pk")
    )


@transaction.atomic
def submit_estimate(
    repair: Repair, estimate: Decimal, *, by: Profile, photo: RepairPhoto | None = None
) -> None:
    """Price a requested repair (US dollars) and ask the managers for approval."""
    amount = _amount(estimate)
    if repair.batch_id:
        # If the last two breaks are priced at once, the second must see the first.
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
    _add_photo(photo, repair, Moment.DAMAGE, by)
    notifications.settle_priced(repair, event)
    _announce(repair.batch or repair, [event])


@transaction.atomic
def approve(repair: Repair, *, by: Profile) -> RepairEvent:
    """Approve a repair that belongs to no batch."""
    event = _move(Action.APPROVE, repair, by, EventAction.APPROVED, status=Status.APPROVED)
    notifications.notify_approved(repair, event)
    return event


@transaction.atomic
def approve_batch(batch: RepairBatch, *, by: Profile) -> list[RepairEvent]:
    """Approve the repairs of the batch that await approval; return an event for each."""
    events = _move_batch(
        Action.APPROVE_BATCH, batch, by, EventAction.APPROVED, status=Status.APPROVED
    )
    notifications.notify_batch_approved(batch, events)
    return events


@transaction.atomic
def deny_batch(batch: RepairBatch, reason: str, *, by: Profile) -> list[RepairEvent]:
    """Deny the repairs of the batch that await approval; return an event for each."""
    reason = _reason(reason, gettext("the technician reads it"))
    events = _move_batch(
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
    reason = _reason(reason, gettext("the technician reads it"))
    event = _move(
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
    event = _move(
        Action.ASSIGN,
        repair,
        by,
        EventAction.REASSIGNED if previous else EventAction.ASSIGNED,
        f"from {previous.name} to {technician.name}" if previous else technician.name,
        still=Q(technician=previous) & ~Q(technician=technician),
        former=previous,
        technician=technician,
    )
    notifications.settle_assigned(repair, event)
    if previous:
        notifications.notify_reassigned(repair, event, previous)
    else:
        notifications.notify_assigned(repair, event)


@transaction.atomic
def start(repair: Repair, *, by: Profile) -> RepairEvent:
    """Start the work on an approved repair."""
    event = _move(Action.START, repair, by, EventAction.STARTED, status=Status.IN_PROGRESS)
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
    amount, note = _amount(final_cost), format_money(_amount(final_cost))
    approved = repair.estimate
    if approved is not None and amount > approved:
        reason = _reason(
            reason, gettext("the managers approved {sum}").format(sum=format_money(approved))
        )
        note = f"{note} instead of {format_money(approved)}: {reason}"
    else:
        reason = ""
    asks = approved is not None and amount > cost_limit(approved)
    event = _move(
        Action.COMPLETE,
        repair,
        by,
        EventAction.COST_SUBMITTED if asks else EventAction.COMPLETED,
        note,
        status=Status.COST_APPROVAL if asks else Status.COMPLETED,
        final_cost=amount,
        cost_reason=reason,
    )
    _add_photo(photo, repair, Moment.FINISHED, by)
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
    event = _move(
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
    reason = _reason(reason, gettext("the technician reads it"))
    asked = cast(Decimal, repair.final_cost)
    event = _move(
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


def _open(
    by: Profile,
    unit: FleetUnit,
    breaks: Sequence[Break],
    technician: Profile | None,
    batch: RepairBatch | None,
    token: UUID | None,
) -> list[RepairEvent]:
    priced = any(item.estimate is not None for item in breaks)
    if problem := request_refusal(by, unit, technician, priced=priced):
        raise NotAllowed(problem)
    if by.role == Role.TECHNICIAN:
        technician = by
    events: list[RepairEvent] = []
    for n, item in enumerate(breaks):
        estimate = None if item.estimate is None else _amount(item.estimate)
        repair = Repair.objects.create(
            unit=unit,
            batch=batch,
            damage=item.damage,
            position=item.position,
            description=user_text.clean(item.description).strip(),
            status=Status.REQUESTED if estimate is None else Status.AWAITING_APPROVAL,
            technician=technician,
            requested_by=by,
            request_token=None if n else token,
            estimate=estimate,
        )
        events += _opening_events(repair, by)
    return RepairEvent.objects.bulk_create(events)


def _add_photo(photo: RepairPhoto | None, repair: Repair, moment: Moment, by: Profile) -> None:
    """Store the photo, if there is one, before a message that shows it is made."""
    if photo:
        photos.add(photo, repair, moment, by=by)


def _check_token(by: Profile, token: UUID | None) -> None:
    """Raise AlreadyRequested if a request of this person has this token."""
    if token is None:
        return
    # A form sent twice at once: the second waits here until the first is committed.
    Profile.objects.lock(by)
    made = Repair.objects.filter(request_token=token, requested_by=by).select_related("batch")
    if repair := made.first():
        raise AlreadyRequested(repair.batch or repair)


def _opening_events(repair: Repair, by: Profile) -> Iterator[RepairEvent]:
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
    if requested := latest.get(EventAction.REQUESTED):
        notifications.notify_requested(about, requested)
    if assigned := latest.get(EventAction.ASSIGNED):
        notifications.notify_assigned(about, assigned)
    if (submitted := latest.get(EventAction.SUBMITTED)) and _is_priced(about):
        notifications.notify_pending_approval(about, submitted)


def _is_priced(about: Repair | RepairBatch) -> bool:
    if isinstance(about, Repair):
        return about.estimate is not None
    return not about.repairs.filter(estimate=None).exists()


def _reason(typed: str, why: str) -> str:
    reason = user_text.clean(typed).strip()
    if not user_text.has_visible(reason) or len(reason) > MAX_REASON:
        raise NotAllowed(
            gettext("Give a reason of at most {count} characters: {why}.").format(
                count=MAX_REASON, why=why
            )
        )
    return reason


def _both_sums(repair: Repair) -> str:
    asked, approved = repair.final_cost or Decimal(0), repair.estimate or Decimal(0)
    return f"{format_money(asked)} instead of {format_money(approved)}"


def _amount(amount: Decimal) -> Decimal:
    if not 0 <= amount <= MAX_AMOUNT:
        raise NotAllowed(
            gettext("An amount is between {least} and {most}.").format(
                least=format_money(Decimal(0)), most=format_money(MAX_AMOUNT)
            )
        )
    # abs() removes the sign of a negative zero.
    return abs(amount).quantize(Decimal("0.01"))


def _move(
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


def _move_batch(
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
