"""Attempts that a test makes step by step, and whole turns of a worker."""

import math
import threading
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core.delivery import attempt as attempts
from apps.core.delivery import places
from apps.core.delivery.attempt import Attempt, Lease
from apps.core.delivery.places import Place, Pool
from apps.core.delivery.senders import Senders
from apps.core.delivery.turn import Turn
from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState, Priority
from tools.processes import wait_until

#: A process has senders of its own, and each thread of a test stands for a process.
_own = threading.local()


def attempt(delivery_id: UUID) -> None:
    """Run a worker's turn, woken for this delivery. It sends what is due in that pool.

    The turn has all the time that a busy machine needs, and gives way to no other pool, for which
    no worker would come here. It waits for a place: one that an earlier test's worker left expires.
    """
    row = Delivery.objects.filter(pk=delivery_id).first()
    channel = Channel(row.channel) if row else Channel.EMAIL
    priority = Priority(row.priority) if row else Priority.MEDIUM
    turns: list[Turn] = []

    def has_begun() -> bool:
        turns.extend(filter(None, [begin(places.pool_of(channel, priority), delivery_id)]))
        return bool(turns)

    wait_until(has_begun, f"a place for {channel} is free")
    turns[0].run()


def begin(pool: Pool, delivery_id: UUID, size: int = 4) -> Turn | None:
    """Return a turn, with so many sender threads, of a worker that has a place; else None."""
    place = Place(pool, str(delivery_id))
    if not place.hold():
        return None
    turn = Turn(place, delivery_id)
    turn._ends_at = turn._renew_at = math.inf
    turn._idle_s = lambda: 0.02  # type: ignore[method-assign]
    turn._senders = _own_senders(pool.channel, size)
    return turn


def _own_senders(channel: Channel, size: int) -> Senders:
    kept: dict[Any, Senders] = _own.__dict__.setdefault("senders", {})
    return kept.setdefault((channel, size), Senders(size))


def stand_in(row: Delivery) -> Delivery | None:
    """Return the delivery on another channel that stands in for this one."""
    return row.notification.deliveries.exclude(pk=row.pk).first()


def claimed(delivery_id: UUID) -> Delivery:
    """Claim a due delivery as a worker does; return it as the worker has it."""
    return claimed_attempt(delivery_id).delivery


def claimed_attempt(delivery_id: UUID) -> Attempt:
    """Claim this delivery and no other; return the attempt."""
    due = Delivery.objects.filter(pk=delivery_id, state=DeliveryState.DUE)
    with transaction.atomic():
        [this] = attempts._take(list(attempts._for_attempts(due)), Lease())
    return this
