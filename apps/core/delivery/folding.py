"""Fold held deliveries into one message: the daily digest, and what a pause or a cap held back.

One of the deliveries carries the others: it becomes due, with the digest, and the others become
`folded`. So a digest has attempts, retries and events as any other message. If its outcome is
unknown, its items stay with it.

A fold is one transaction with its rows locked. For a person, a channel and a local date there is
one daily digest at most (a constraint), so neither two beats nor two hosts nor a changed clock can
make two.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Max, Min
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.exceptions import NotificationError
from apps.core.message import decide, kinds, people, quiet_hours
from apps.core.message.people import Person
from apps.core.models import Delivery, Digest, Notification
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.reasons import FOLDED_HOLDS, Reason, Verdict
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource

from . import holds, transitions, wakeups

logger = logging.getLogger(__name__)

#: Seconds between two runs of `send_daily_digests`, by beat's table.
DIGEST_EVERY_S = 60.0


def send_daily_digests() -> int:
    """Make the daily digest of each person whose hour has come; return how many messages leave."""
    return _fold_all([Reason.DIGEST], DIGEST_EVERY_S)


def fold_due() -> int:
    """Fold what a pause, a cap or a bundle held and whose time is over; return how many leave."""
    return _fold_all(sorted(FOLDED_HOLDS - {Reason.DIGEST}), holds.RELEASE_EVERY_S)


def _fold_all(reasons: Sequence[Reason], every_s: float) -> int:
    made = 0
    for channel, pace in holds.paces().items():
        over = _unfolded().filter(channel=channel, held_for__in=reasons, release_at__lte=Now())
        groups = (
            over.order_by()
            .values_list("notification__recipient", "held_for")
            .annotate(first=Min("priority"), due=Min("release_at"))
            .order_by("first", "due")
        )
        for user_id, held_for, _, _ in groups[: max(1, int(pace * every_s))]:
            made += _try_fold(user_id, channel, Reason(held_for))
    if made:
        wakeups.wake_dispatch()
    return made


def send_now(user_id: Any) -> int:
    """Send what waits for this person, because they asked; return how many messages leave.

    What would have left as one message does so now.
    """
    piles: dict[Any, list[Delivery]] = defaultdict(list)
    with transaction.atomic():
        for row in holds.locked(user_id):
            is_item = row.held_for in FOLDED_HOLDS and row.digest_id is None
            piles[(row.channel, row.held_for) if is_item else row.pk].append(row)
        for pile in piles.values():
            # Without a date: the day's own digest still comes.
            digest = Digest(user_id=user_id, channel=pile[0].channel, held_for=pile[0].held_for)
            wish = {"decision": Reason.SENT_NOW, "decided_by_id": user_id, "decided_at": Now()}
            _send_as_one(digest, sorted(pile, key=_rank), LogSource.PERSON, **wish)
        transaction.on_commit(wakeups.wake_dispatch, robust=True)
    return len(piles)


def _unfolded() -> DeliveryQuerySet:
    # A delivery that already carries a digest is released by itself.
    return Delivery.objects.held().filter(digest=None)


def _try_fold(user_id: Any, channel: Channel, held_for: Reason) -> int:
    """Fold for one person. A failure must not stop the others."""
    try:
        return _fold(user_id, channel, held_for)
    except (DatabaseError, NotificationError):
        logger.exception(
            "not folded, the next run tries again user=%s channel=%s", user_id, channel
        )
        return 0


def _fold(user_id: Any, channel: Channel, held_for: Reason) -> int:
    with transaction.atomic():
        person = people.load([user_id]).get(user_id)
        if person is None:
            # Deleted since the run began, and what waited with it.
            return 0
        digest = Digest(user_id=user_id, channel=channel, held_for=held_for)
        if held_for == Reason.DIGEST:
            latest = _theirs(user_id, channel, held_for).aggregate(at=Max("release_at"))["at"]
            if latest is None:
                return 0
            day = latest.astimezone(person.zone).date()
            digest, is_new = Digest.objects.get_or_create(
                user_id=user_id, channel=channel, local_date=day, defaults={"held_for": held_for}
            )
            if not is_new:
                _postpone(person, channel, day)
                return 0
        rows = list(
            _theirs(user_id, channel, held_for)
            .select_related("notification")
            .order_by("pk")
            .select_for_update(of=("self",))
        )
        fresh = [row for row in rows if _still_matters(row, person)]
        return _send_as_one(digest, sorted(fresh, key=_rank), LogSource.SWEEP)


def _theirs(user_id: Any, channel: Channel, held_for: Reason) -> DeliveryQuerySet:
    theirs = Notification.objects.filter(recipient=user_id).values("pk")
    rows = _unfolded().filter(channel=channel, held_for=held_for, notification_id__in=theirs)
    # Messages that the hour's cap held leave with the first of them.
    return rows if held_for in (Reason.CAP, Reason.BUNDLE) else rows.filter(release_at__lte=Now())


def _postpone(person: Person, channel: Channel, day: date) -> None:
    """Move what came too late for a day's digest to the next one."""
    tomorrow = quiet_hours.instant(day + timedelta(1), time(0), person.zone)
    after = max(timezone.now(), tomorrow - timedelta(seconds=1))
    at = quiet_hours.next_at(person.digest_hour, after, person.zone)
    at = quiet_hours.first_allowed(at, person.zone, person.quiet)
    late = _theirs(person.id, channel, Reason.DIGEST)
    late.update(release_at=at, due_at=at)


def _still_matters(row: Delivery, person: Person) -> bool:
    kind = kinds.get(row.notification.kind)
    pointless = decide.stale(kind, row.notification, timezone.now(), in_digest=True)
    decision = pointless or holds.decided(row, person)
    if decision.verdict != Verdict.SKIP:
        return True
    holds.skip(row, decision, LogSource.SWEEP)
    return False


def _rank(row: Delivery) -> tuple[Any, ...]:
    return row.priority, row.created_at, str(row.pk)


def _send_as_one(
    digest: Digest, rows: Sequence[Delivery], source: LogSource, **columns: Any
) -> int:
    """Make the first row due, with the others folded into it. One alone is an ordinary message."""
    if not rows:
        if digest.pk:
            digest.delete()
        return 0
    carrier, *others = rows
    if others and not digest.pk:
        digest.save()
    if digest.pk:
        columns["digest"] = digest
    holds.release([carrier], source, **columns)
    if others:
        Delivery.objects.held().filter(pk__in=[row.pk for row in others]).move(
            DeliveryState.FOLDED, digest=digest, finished_at=Now(), next_attempt_at=None
        )
        transitions.log(others, LogEvent.FOLDED, source)
    return 1
