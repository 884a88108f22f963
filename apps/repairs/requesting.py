"""Request repairs: create them, singly or as a batch, and tell the managers and the office."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from apps.core.message import user_text
from apps.core.message.kinds import format_money

from . import notifications, photos
from .exceptions import AlreadyRequested, NotAllowed
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
from .permissions import new_unit_refusal, request_refusal
from .typed_values import clean_amount

#: How long a second request for the same break is taken for a mistake.
SAME_BREAK = timedelta(hours=1)


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
    events = _open(by, unit, breaks, technician, None, token, photo)
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
    _announce(batch, _open(by, unit, breaks, technician, batch, token, photo))
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


def _open(
    by: Profile,
    unit: FleetUnit,
    breaks: Sequence[Break],
    technician: Profile | None,
    batch: RepairBatch | None,
    token: UUID | None,
    photo: RepairPhoto | None,
) -> list[RepairEvent]:
    priced = any(item.estimate is not None for item in breaks)
    if problem := request_refusal(by, unit, technician, priced=priced):
        raise NotAllowed(problem)
    if by.role == Role.TECHNICIAN:
        technician = by
    events: list[RepairEvent] = []
    for n, item in enumerate(breaks):
        estimate = None if item.estimate is None else clean_amount(item.estimate)
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
    if photo:
        # Before a message that shows it is made.
        photos.add(photo, events[0].repair, Moment.DAMAGE, by=by)
    return RepairEvent.objects.bulk_create(events)


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
    if (submitted := latest.get(EventAction.SUBMITTED)) and about.is_priced:
        notifications.notify_pending_approval(about, submitted)
