"""Take back an action within seconds, if nobody has changed the repair since."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from apps.core.message.stored_words import translated

from . import kinds
from .corrections import notify_undone
from .exceptions import NotAllowed
from .models import EventAction, Profile, Repair, RepairBatch, RepairEvent

#: How long the pages offer it (app.css has the same number).
OFFERED = timedelta(seconds=10)
#: How long it is accepted, since a tap on the last moment's offer needs time to arrive.
ACCEPTED = OFFERED + timedelta(seconds=5)

#: What a manager decides for all breaks of a batch at once.
DECISIONS = (EventAction.APPROVED, EventAction.DENIED)


@transaction.atomic
def undo(event: RepairEvent, *, by: Profile) -> Repair | RepairBatch:
    """Restore the repair, or the repairs that were approved together, as before the event.

    The pending messages about it are settled; people who know already are told. Raises NotAllowed
    if the time is over or another person has changed the repair since; then nothing changes.
    """
    events = _done_together(event)
    about = _about(events)
    if event.actor != by or event.action not in kinds.UNDONE:
        raise NotAllowed(gettext("You cannot undo this on {number}.").format(number=about.number))
    now = timezone.now()
    if now > event.at + ACCEPTED:
        raise NotAllowed(
            gettext("It is too late to undo this on {number}: people have been told.").format(
                number=about.number
            )
        )
    for each in events:
        _restore(each)
    undone = [
        RepairEvent.objects.create(
            repair=Repair.objects.with_details().get(pk=each.repair_id),
            at=now,
            actor=by,
            action=EventAction.UNDONE,
            note=each.get_action_display().lower(),
            undoes=each,
        )
        for each in events
    ]
    notify_undone(about, events, undone)
    return about


def _done_together(event: RepairEvent) -> list[RepairEvent]:
    """Return the event, or those of the same decision on a batch, by their repairs."""
    events = RepairEvent.objects.select_related("actor__user", "repair__batch__unit__company")
    if event.action in DECISIONS and event.repair.batch_id:
        events = events.filter(
            repair__batch=event.repair.batch_id,
            action=event.action,
            actor=event.actor_id,
            at=event.at,
        )
    else:
        events = events.filter(pk=event.pk)
    return list(events.select_related("repair__technician__user").order_by("repair"))


def _about(events: Sequence[RepairEvent]) -> Repair | RepairBatch:
    """Return what the messages about these events are about."""
    repair = events[0].repair
    if repair.batch and (events[0].action == EventAction.APPROVED or len(events) > 1):
        return repair.batch
    return Repair.objects.with_details().get(pk=repair.pk)


def _restore(event: RepairEvent) -> None:
    """Set the columns as they were, if the event is still the repair's last change."""
    rows = Repair.objects.filter(pk=event.repair_id, updated_at=event.at)
    if not event.before or not rows.update(**event.before, updated_at=timezone.now()):
        last = event.repair.events.select_related("actor__user").latest("at", "pk")
        raise NotAllowed(
            gettext("{number} was {done} by {name} meanwhile, so nothing was undone.").format(
                number=event.repair.number,
                done=translated(last.get_action_display()).lower(),
                name=last.actor.name,
            )
        )
