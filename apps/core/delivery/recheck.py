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
    """Decide about claimed deliveries, and load their notifications as of now; return all by id.

    One statement for the notifications and one for the people; one more if any of them has made a
    choice, and one for what left before, if a cap or a bundle asks for it.
    """
    now = timezone.now()
    folded = _load(deliveries)
    everyone = people.load(row.notification.recipient_id for row in deliveries)
    found: dict[UUID, Decision] = {}
    for row in deliveries:
        person = everyone.get(row.notification.recipient_id)
        if person is None or row.notification.kind not in kinds.REGISTRY:
            # Deleted meanwhile, or of a kind that is gone: its own attempt fails, and no other's.
            found[row.pk] = Decision(Verdict.SEND, Reason.KIND_DEFAULT_ON)
        else:
            found[row.pk] = _decide(row, person, folded[row.digest_id], now)
    counted = [
        row
        for row in deliveries
        if found[row.pk].verdict == Verdict.SEND and row.notification.kind in kinds.REGISTRY
    ]
    earlier = _earlier(counted, now)
    for row in sorted(counted, key=_order):
        key = _key(row)
        kind = kinds.get(row.notification.kind)
        found[row.pk] = decide.spread(
            found[row.pk],
            kind,
            everyone[key[0]],
            key[1],
            now,
            priority=Priority(row.priority),
            earlier=[each for order, each in earlier[key] if order is None or order < _order(row)],
            cap=cap(key[1]),
            served=holds.served_by(row) | _served_by_wish(row),
        )
        if found[row.pk].verdict == Verdict.SEND:
            earlier[key].append((_order(row), Earlier(kind.name, now)))
    return found


def settled_meanwhile(deliveries: Sequence[Delivery]) -> dict[UUID, Decision]:
    """Return the decisions about those whose matter was settled since `recheck`.

    Call it in the transaction that announces the calls: until its commit no one can settle them.
    The content of a digest was judged when it was composed.
    """
    by_notification = {row.notification_id: row.pk for row in deliveries if row.digest_id is None}
    locked = Notification.objects.filter(pk__in=by_notification).order_by("pk")
    rows = locked.select_for_update(no_key=True).values_list("pk", "settled_at")
    return {
        by_notification[pk]: Decision(Verdict.SKIP, Reason.SETTLED, at=at) for pk, at in rows if at
    }


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


def _load(deliveries: Sequence[Delivery]) -> dict[Any, list[Notification]]:
    """Load the notification of each delivery, and return the others of each digest.

    What was loaded before the claim does not count: the matter may have been settled since.
    """
    ids = [row.pk for row in deliveries]
    digests = {row.digest_id for row in deliveries if row.digest_id is not None}
    wanted = Q(pk__in=ids)
    if digests:
        wanted |= Q(digest__in=digests, state=DeliveryState.FOLDED)
    own: dict[UUID, Notification] = {}
    folded: dict[Any, list[Notification]] = defaultdict(list)
    for row in Delivery.objects.filter(wanted).select_related("notification__recipient__contact"):
        if row.state == DeliveryState.FOLDED:
            folded[row.digest_id].append(row.notification)
        else:
            own[row.pk] = row.notification
    for delivery in deliveries:
        if delivery.pk in own:
            delivery.notification = own[delivery.pk]
    return folded


def _order(row: Delivery) -> tuple[datetime, str]:
    """Return a sort key: of two deliveries that are claimed at once, one must be first."""
    return row.created_at, str(row.pk)


def _key(row: Delivery) -> Key:
    return row.notification.recipient_id, Channel(row.channel)


def _earlier(
    deliveries: Collection[Delivery], now: datetime
) -> dict[Key, list[tuple[tuple[datetime, str] | None, Earlier]]]:
    """Return what else has left for these people, or is leaving, with its order in that case."""
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
        order = _order(row) if row.finished_at is None else None
        found[_key(row)].append((order, Earlier(row.notification.kind, row.finished_at or now)))
    return found
