"""Wake-ups: the only module that asks Celery to run a task.

A wake-up is a hint. The delivery's row is due in the database, so the sweep finds it if the broker
loses the hint or cannot be reached.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState, Priority

from . import sweeps, waiting_slots
from .waiting_slots import Pool, WaitingSlot

logger = logging.getLogger(__name__)

SEND_TASKS = {
    Channel.EMAIL: "apps.core.tasks.send_notification_email",
    Channel.SMS: "apps.core.tasks.send_notification_sms",
}
DISPATCH_TASK = "apps.core.tasks.dispatch_due_notifications"
UNLIST_TASK = "apps.core.tasks.take_off_lists"

#: Seconds after which beat has asked for the next sweep.
DISPATCH_EXPIRES_S = 60.0
#: Seconds for which a process leaves a broker alone that just failed.
BROKER_REST_S = 5.0
_broker_rests_until = 0.0


def wake(deliveries: Sequence[Delivery]) -> None:
    """Wake workers for these deliveries, most urgent first. Never raises.

    If the broker fails, the rows stay due and the sweep finds them. The process then leaves the
    broker alone for BROKER_REST_S, so that a request waits for it once at most.
    """
    by_pool: dict[Pool, list[Delivery]] = {}
    for row in deliveries:
        pool = waiting_slots.pool_of(Channel(row.channel), Priority(row.priority))
        by_pool.setdefault(pool, []).append(row)
    lost = [row.pk for pool, rows in by_pool.items() if not _wake(pool, rows) for row in rows]
    if lost:
        _mark_not_enqueued(lost)


def release(slot: WaitingSlot) -> None:
    """Release a waiting slot, and wake workers for the next deliveries of its backlog.

    Never raises: a failure must not end the attempt that holds the slot. The sweep finds the rows.
    """
    try:
        rows = sweeps.next_in(slot.pool, slot.release())
    except DatabaseError:
        logger.exception("backlog not looked at, the sweep will")
        return
    if rows:
        _reach_broker(partial(_wake_backlog, slot.pool, rows))


def wake_dispatch() -> None:
    """Look for due deliveries now instead of at the next run of the sweep."""
    _reach_broker(
        partial(_publish, DISPATCH_TASK, priority=Priority.URGENT, expires=DISPATCH_EXPIRES_S)
    )


def wake_unlisting() -> None:
    """Remove lifted suppressions from AWS's own lists now instead of tonight."""
    _reach_broker(partial(_publish, UNLIST_TASK))


def _wake(pool: Pool, rows: Sequence[Delivery]) -> bool:
    """Return False if the broker is down.

    Wake at most as many workers as the pool has slots, because each wakes the next. Wake none if
    a worker that holds a slot will do so anyway.
    """

    def publish() -> None:
        if pool.look().is_moving:
            return
        if len(rows) > pool.size:
            _wake_backlog(pool, rows[: pool.size])
        else:
            _send_wake_ups(rows)

    return _reach_broker(publish)


def _wake_backlog(pool: Pool, rows: Sequence[Delivery]) -> None:
    pool.reserve(row.pk for row in rows)
    _send_wake_ups(rows)


def _send_wake_ups(rows: Sequence[Delivery]) -> None:
    for row in rows:
        _publish(SEND_TASKS[Channel(row.channel)], str(row.pk), priority=row.priority)


def _mark_not_enqueued(ids: Sequence[UUID]) -> None:
    try:
        Delivery.objects.filter(pk__in=ids, state=DeliveryState.DUE).update(enqueued_at=None)
    except DatabaseError:
        logger.exception("lost wake-ups not marked, the sweep finds the rows later")


def _publish(task: str, *arguments: str, **options: Any) -> None:
    current_app.tasks[task].apply_async(args=arguments, **options)


def _reach_broker(publish: Callable[[], object]) -> bool:
    """Return whether the broker has what `publish` gave it. Never raises."""
    global _broker_rests_until
    if time.monotonic() < _broker_rests_until:
        return False
    try:
        publish()
    except (OperationalError, RedisError) as error:
        logger.warning("broker unreachable, the sweep will find the row: %s", error)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        # A broker or its URL can fail in any way, and the caller has committed already.
        logger.exception("wake-up failed, the sweep will find the row")
    else:
        return True
    _broker_rests_until = time.monotonic() + BROKER_REST_S
    return False
