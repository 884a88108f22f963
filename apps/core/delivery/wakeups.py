"""Wake-ups: the only module that asks Celery to run a task.

A wake-up says that a pool has work. It is a hint: the rows are due in the database, so the sweep
finds them if the broker loses the hint or cannot be reached.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from structlog.contextvars import get_contextvars

from apps.core.models import Delivery
from apps.core.states import Channel, Priority

from . import places
from .places import Pool

logger = logging.getLogger(__name__)

SEND_TASKS = {
    Channel.EMAIL: "apps.core.tasks.send_notification_email",
    Channel.SMS: "apps.core.tasks.send_notification_sms",
}
DISPATCH_TASK = "apps.core.tasks.dispatch_due_notifications"
UNLIST_TASK = "apps.core.tasks.take_off_lists"

#: Seconds after which beat has asked for the next sweep, which wakes again.
EXPIRES_S = 60.0
#: Seconds for which a process does not ask a broker that just failed.
BROKER_REST_S = 5.0
_broker_rests_until = 0.0


def wake(deliveries: Iterable[Delivery]) -> None:
    """Wake one process for each pool of these deliveries, unless one is awake. Never raises.

    A process that finds more than it can send wakes the next. If the broker fails, this process
    leaves it alone for BROKER_REST_S, so that a request waits for it once at most.
    """
    first: dict[Pool, Delivery] = {}
    for row in deliveries:
        first.setdefault(places.pool_of(Channel(row.channel), Priority(row.priority)), row)
    if first:
        _reach_broker(partial(_wake, first, another=False))


def wake_another(pool: Pool, delivery: Delivery) -> None:
    """Wake one more process for the delivery's pool, if it has a place left. Never raises."""
    _reach_broker(partial(_wake, {pool: delivery}, another=True))


def wake_dispatch(after: timedelta = timedelta(0)) -> None:
    """Look for due deliveries now, or after so many seconds, instead of at the next sweep."""
    # Only for seconds: a worker keeps such a task in its memory.
    _reach_broker(
        partial(
            _publish,
            DISPATCH_TASK,
            priority=Priority.URGENT,
            countdown=after.total_seconds() or None,
            expires=after.total_seconds() + EXPIRES_S,
        )
    )


def wake_unlisting() -> None:
    """Remove lifted suppressions from AWS's own lists now instead of tonight."""
    _reach_broker(partial(_publish, UNLIST_TASK))


def _wake(first: dict[Pool, Delivery], *, another: bool) -> None:
    names = [str(row.pk) for row in first.values()]
    for (pool, row), is_to_wake in zip(
        first.items(), places.to_wake(list(first), names, another=another), strict=True
    ):
        if is_to_wake:
            # One priority for all that is not urgent: each pool in its turn.
            priority = Priority.URGENT if pool.is_urgent else Priority.MEDIUM
            _publish(SEND_TASKS[pool.channel], str(row.pk), priority=priority, expires=EXPIRES_S)


def _publish(task: str, *arguments: str, **options: Any) -> None:
    if request_id := get_contextvars().get("request_id"):
        # The task's log entries name the request that woke it.
        options["headers"] = {"request_id": request_id}
    current_app.tasks[task].apply_async(args=arguments, **options)


def _reach_broker(publish: Callable[[], object]) -> None:
    """Call `publish`, unless the broker failed just now. Never raises."""
    global _broker_rests_until
    if time.monotonic() < _broker_rests_until:
        return
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
        return
    _broker_rests_until = time.monotonic() + BROKER_REST_S
