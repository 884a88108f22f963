"""Who must be reached by an urgent message and cannot be, now: approvers and technicians."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from apps.core.audit import admin_messages, alerts, story
from apps.core.message import brand, decide, kinds, people
from apps.core.message.people import Person
from apps.core.message.rendering import EmailContent
from apps.core.reasons import Verdict
from apps.core.states import Channel, Priority
from apps.site import directory

from . import reach
from .reach import Obstacle

#: How long the same list is not mailed again: a little less than a week, since a run may come
#: early.
AGAIN = timedelta(days=6, hours=20)
#: People that one e-mail names. The page has all of them.
MOST_NAMED = 50


@dataclass(frozen=True)
class Gap:
    """A person whom an urgent message does not reach, or a duty that no one has."""

    duty: str
    user: User | None
    name: str
    why: list[str]


def gaps() -> list[Gap]:
    """Return who cannot be reached now. The statements do not grow with the people."""
    now = timezone.now()
    duties = directory.get().duties()
    everyone = {user.pk: user for each in duties for user in each.people}
    persons = people.load(everyone)
    obstacles = {each.user.pk: each.obstacles for each in reach.explain(everyone.values())}
    found = [
        Gap(each.label, None, "", ["nobody has this duty"]) for each in duties if not each.people
    ]
    for each in duties:
        for user in each.people:
            if why := _why(persons[user.pk], obstacles[user.pk], now):
                found.append(Gap(each.label, user, user.get_full_name() or user.username, why))
    return found


def tell() -> None:
    """E-mail the administrator who cannot be reached; the same list once a week."""
    if not (found := gaps()):
        return
    listed = "\n".join(sorted(f"{each.duty} {each.name} {each.why}" for each in found))
    name = f"unreached {hashlib.sha256(listed.encode()).hexdigest()}"
    alerts.send_once(name, AGAIN, lambda: _email(found))


def _why(person: Person, obstacles: Iterable[Obstacle], now: datetime) -> list[str]:
    """Return why no urgent message reaches the person, or why the others wait; empty if none."""
    rows = list(obstacles)
    blocked = {row.channel for row in rows}
    if any(not _is_reached(kind, person, blocked, now) for kind in _urgent()):
        return [f"{row.channel}: {row.reason}" for row in rows] or ["switched off on every channel"]
    if person.paused_until and person.paused_until > now and not person.deputy_id:
        return [f"paused until {story.clock(person.paused_until)}, and nobody stands in"]
    return []


def _is_reached(
    kind: kinds.NotificationKind, person: Person, blocked: set[str], now: datetime
) -> bool:
    plan = decide.plan(kind, person, Priority.URGENT, now)
    return any(
        decision.verdict != Verdict.SKIP and Channel(channel).label not in blocked
        for channel, decision in plan.items()
    )


def _urgent() -> list[kinds.NotificationKind]:
    """Return the urgent kinds of the business. Those that are never held are about an address."""
    return [
        kind
        for kind in kinds.REGISTRY.values()
        if kind.priority == Priority.URGENT and not kind.is_never_held
    ]


def _email(found: list[Gap]) -> EmailContent:
    count = len(found)
    lines = [
        f"{each.name or 'Nobody'} ({each.duty}): {'; '.join(each.why)}."
        for each in found[:MOST_NAMED]
    ]
    if count > MOST_NAMED:
        lines.append(f"And {count - MOST_NAMED} more.")
    page = settings.SITE_URL + reverse("office:unreached")
    return admin_messages.content(
        f"{brand.current().name}: urgent messages do not reach {count} of those who need them",
        *lines,
        f"The page says what to do about each: {page}. The same list is mailed once a week.",
    )
