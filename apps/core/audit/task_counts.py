"""Count how many Celery tasks ended in each minute, and how many of them raised an error.

The counts live in Redis for an hour: an alarm needs no more, and each task may cost one trip only.
"""

import logging
import time

import redis

from apps.core import redis_client

logger = logging.getLogger(__name__)

KEPT_S = 3600


def count(*, has_failed: bool) -> None:
    """Count a task that has ended. Errors of Redis are logged, never raised."""
    key = _key(0)
    trip = redis_client.shared().pipeline(transaction=False)
    trip.hincrby(key, "ended", 1)
    trip.hincrby(key, "failed", int(has_failed))
    trip.expire(key, KEPT_S)
    try:
        trip.execute()
    except redis.RedisError as error:
        logger.warning("task not counted: %s", error)


def within(minutes: int) -> tuple[int, int]:
    """Return how many ended in the last minutes, this one included, and how many of them failed.

    Raise RedisError.
    """
    trip = redis_client.shared().pipeline(transaction=False)
    for ago in range(minutes):
        trip.hmget(_key(ago), "ended", "failed")
    rows = trip.execute()
    return sum(int(row[0] or 0) for row in rows), sum(int(row[1] or 0) for row in rows)


def _key(minutes_ago: int) -> str:
    return f"rs:tasks:{int(time.time() // 60) - minutes_ago}"
