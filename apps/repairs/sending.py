"""Send one notification about a repair: its people, its hold, and the words that all share."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from apps.core.message import user_text
from apps.core.message.kinds import Context, NotificationKind
from apps.core.services.notification import NotificationService
from apps.core.states import Priority

from . import kinds, texting
from .models import Profile, Repair, RepairBatch, RepairEvent, Role

#: Priorities that send text messages. Above the limits of `texting`, MEDIUM replaces them.
TEXTING = (Priority.URGENT, Priority.HIGH)
#: Characters of a user's text in a message.
LONGEST_QUOTE = 500
#: How long a message waits, so that an undo stops it. An urgent one cannot wait longer.
HOLD = timedelta(seconds=10)
HOLD_URGENT = timedelta(seconds=5)


def notify(
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
        at = event.at + hold(kind)
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


def hold(kind: NotificationKind) -> timedelta:
    """Return how long messages of this kind can still be undone."""
    return HOLD_URGENT if kind.priority == Priority.URGENT else HOLD


def managers(about: Repair | RepairBatch) -> Iterable[Profile]:
    return about.unit.company.managers.select_related("user")


def office() -> Iterable[Profile]:
    return Profile.objects.filter(role=Role.OFFICE).select_related("user")


def technician_of(repair: Repair) -> list[Profile]:
    return [repair.technician] if repair.technician else []


def job(about: Repair | RepairBatch, damage: str = "") -> kinds.Job:
    unit = about.unit
    return kinds.Job(
        number=about.number,
        company=user_text.clean_line(unit.company.name),
        # Managers and technicians enter vehicles; the office enters companies.
        unit=user_text.nameable(unit.number),
        vehicle=user_text.nameable(unit.description),
        damage=damage or about.summary,
    )


def quoted(text: str) -> str:
    """Return what a user typed, short and safe enough for a message."""
    return user_text.quotable(text, LONGEST_QUOTE)
