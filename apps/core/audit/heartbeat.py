"""Remember when the sweep last ran: beat sent it, the broker carried it and a worker ran it.

One key in Redis that lives for a day. Its remaining life gives its age on Redis's own clock.
"""

import logging
from datetime import timedelta

import redis

from apps.core import redis_client

logger = logging.getLogger(__name__)

KEY = "rs:sweep:heartbeat"
LIFE = timedelta(days=1)


def stamp() -> None:
    """Remember that the sweep has run. Errors of Redis are logged, never raised."""
    try:
        redis_client.shared().set(KEY, "", px=LIFE)
    except redis.RedisError as error:
        logger.warning("heartbeat not written: %s", error)


def age() -> timedelta | None:
    """Return how long ago the sweep last ran, or None if not within LIFE. Raise RedisError."""
    left = redis_client.shared().pttl(KEY)
    return LIFE - timedelta(milliseconds=left) if left > 0 else None


def redis_uptime() -> timedelta:
    """Return how long Redis has run: it forgets the sweeps before. Raise RedisError."""
    return timedelta(seconds=redis_client.shared().info("server")["uptime_in_seconds"])
