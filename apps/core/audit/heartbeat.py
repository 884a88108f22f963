"""When the sweep last came round: beat sent it, the broker carried it and a worker ran it.

One key in Redis that lives for a day. How long it has left to live tells its age on Redis's own
clock, whatever the hosts' clocks say.
"""

import logging
from datetime import timedelta
from functools import cache
from typing import Any

import redis

from apps.core import redis_client

logger = logging.getLogger(__name__)

KEY = "rs:sweep:heartbeat"
LIFE = timedelta(days=1)


def stamp() -> None:
    """The sweep has done its turn. Never raises for Redis: its work is done."""
    try:
        _client().set(KEY, "", px=LIFE)
    except redis.RedisError as error:
        logger.warning("heartbeat not written: %s", error)


def age() -> timedelta | None:
    """How long ago the last turn ended; None where none did for LIFE. Raises RedisError."""
    left = _client().pttl(KEY)
    return LIFE - timedelta(milliseconds=left) if left > 0 else None


@cache
def _client() -> Any:
    return redis_client.client(timeout_s=0.5)
