"""Ask once more, after the claim and before the call, whether a delivery may leave.

Between `notify()` and the claim the matter may have been settled, the message read in the app, or
the person may have decided otherwise. So nothing stale leaves.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from apps.core.message import decide, kinds, people
from apps.core.message.decide import Decision, Earlier
from apps.core.message.people import Person
from apps.core.models import Delivery, Notification
from apps.core.reasons import Reason, Verdict
from apps.core.states import SENT, Channel, DeliveryState, Priority

from . import holds

#: How old a message can be that left within the windows of the cap and the bundles. A message that
#: was held for longer does not count: it left with others.
OLDEST = timedelta(days=2)

Key = tuple[Any, Channel]


def recheck(deliveries: Sequence[Delivery]) -> dict[UUID, Decision]:
    """Decide about claimed deliveries, whose `notification` is loaded; return all by id.

    One statement for the people, one if any of them has made a choice, one for digests among the
    deliveries, and one for what left before, if a cap or a bundle asks for it.
    """
    now = timezone.now()
    everyone = people.load(row.notification.recipient_id for row in deliveries)
    folded = _folded(deliveries)
    found: dict[UUID, Decision] = {}
    for row in deliveries:
        person = everyone[row.notification.recipient_id]
        found[row.pk] = _decide(row, person, folded[row.digest_id], now)
    counted = [row for row in deliveries if found[row.pk].verdict == Verdict.SEND]
    earlier = _earlier(counted, now)
    for row in sorted(counted, key=_turn):
        key = _key(row)
        kind = kinds.get(row.notification.kind)
        found[row.pk] = decide.spread(
            found[row.pk],
            kind,
            everyone[key[0]],
            key[1],
            now,
            priority=Priority(row.priority),
            earlier=[each for turn, each in earlier[key] if turn is None or turn < _turn(row)],
            cap=cap(key[1]),
            served=holds.served_by(row) | _served_by_wish(row),
        )
        if found[row.pk].verdict == Verdict.SEND:
            earlier[key].append((_turn(row), Earlier(kind.name, now)))
    return found


def cap(channel: Channel) -> int:
    """Return how many messages a person may get in an hour; 0 is no limit."""
    if channel == Channel.EMAIL:
        return settings.EMAIL_CAP_PER_PERSON_H
    return settings.SMS_CAP_PER_PERSON_H


def _decide(
    row: Delivery, person: Person, folded: Sequence[Notification], now: datetime
) -> Decision:
    """Return the decision of the first notification that still goes, else that of its own."""
    if row.direct_to:
        # It is about that address, whatever the person has decided.
        kind = kinds.get(row.notification.kind)
        required = Decision(Verdict.SEND, Reason.KIND_REQUIRED)
        return decide.stale(kind, row.notification, now) or required
    is_digest = row.digest_id is not None
    found = []
    for each in (row.notification, *folded):
        pointless = decide.stale(kinds.get(each.kind), each, now, in_digest=is_digest)
        found.append(pointless or holds.decided(row, person, each))
        if found[-1].verdict != Verdict.SKIP:
            break
    decision = found[-1] if found[-1].verdict != Verdict.SKIP else found[0]
    if decision.verdict == Verdict.HOLD and row.decision == Reason.SENT_NOW:
        return Decision(Verdict.SEND, Reason.SENT_NOW, by_id=row.decided_by_id, at=row.decided_at)
    return decision


def _served_by_wish(row: Delivery) -> frozenset[Reason]:
    return holds.ONCE if row.decision == Reason.SENT_NOW else frozenset()


def _folded(deliveries: Sequence[Delivery]) -> dict[Any, list[Notification]]:
    """Return the other notifications of each digest."""
    found: dict[Any, list[Notification]] = defaultdict(list)
    if ids := {row.digest_id for row in deliveries if row.digest_id is not None}:
        rows = Delivery.objects.filter(digest__in=ids, state=DeliveryState.FOLDED)
        for row in rows.select_related("notification"):
            found[row.digest_id].append(row.notification)
    return found


def _turn(row: Delivery) -> tuple[datetime, str]:
    """Return what orders deliveries: of two that are claimed at once, one must be first."""
    return row.created_at, str(row.pk)


def _key(row: Delivery) -> Key:
    return row.notification.recipient_id, Channel(row.channel)


def _earlier(
    deliveries: Collection[Delivery], now: datetime
) -> dict[Key, list[tuple[tuple[datetime, str] | None, Earlier]]]:
    """Return what else has left for these people, or is leaving, with its turn in that case."""
    found: dict[Key, list[Any]] = defaultdict(list)
    bundles = [kind.bundle for kind in kinds.REGISTRY.values() if kind.bundle]
    bundled = {kind.name for kind in kinds.REGISTRY.values() if kind.bundle}
    asking = [
        row
        for row in deliveries
        if row.priority != Priority.URGENT
        and (cap(Channel(row.channel)) or row.notification.kind in bundled)
    ]
    if not asking:
        return found
    since = now - max([decide.CAP_WINDOW, *bundles])
    rows = (
        Delivery.objects.filter(
            Q(state__in=SENT, finished_at__gt=since)
            | Q(state__in=[DeliveryState.SENDING, DeliveryState.UNKNOWN]),
            channel__in={row.channel for row in asking},
            notification__recipient__in={row.notification.recipient_id for row in asking},
            notification__visible_from__gt=now - OLDEST,
        )
        .exclude(pk__in=[row.pk for row in deliveries])
        .select_related("notification")
    )
    for row in rows:
        turn = _turn(row) if row.finished_at is None else None
        found[_key(row)].append((turn, Earlier(row.notification.kind, row.finished_at or now)))
    return found
