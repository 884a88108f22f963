"""How long things take, as histograms that all processes of all hosts add to.

Workers have no port that Prometheus could ask, and end after some tasks. So each process counts in
its memory and adds that to one hash in Redis, in one trip, at the end of a turn. A lost Redis sets
the counts back to 0, which Prometheus takes for a restart.
"""

import logging
import threading
from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

import redis

from . import redis_client
from .states import Channel

logger = logging.getLogger(__name__)

KEY = "rs:durations"
#: The upper bounds of the buckets, in seconds.
BOUNDS = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
    21600.0,
)
INFINITY = "+Inf"
LABELS = (*(str(bound) for bound in BOUNDS), INFINITY)
SUM = "sum"

_lock = threading.Lock()
_counts: Counter[str] = Counter()


class Histogram(NamedTuple):
    """The counts of each bucket, without those below it, and the sum in seconds."""

    name: str
    channel: str
    buckets: dict[str, float]
    sum: float


def observe(name: str, channel: Channel, seconds: float) -> None:
    """Count one duration in this process; `flush` adds it to the counts of all."""
    seconds = max(0.0, seconds)
    with _lock:
        _counts[f"{name}:{channel}:{LABELS[bisect_left(BOUNDS, seconds)]}"] += 1
        # Milliseconds: Redis adds whole numbers exactly.
        _counts[f"{name}:{channel}:{SUM}"] += round(seconds * 1000)


def flush() -> None:
    """Add this process's counts to those of all. If Redis fails they are lost. Never raises."""
    global _counts
    with _lock:
        counts, _counts = _counts, Counter()
    if not counts:
        return
    try:
        pipeline = redis_client.shared().pipeline(transaction=False)
        for field, count in counts.items():
            pipeline.hincrby(KEY, field, count)
        pipeline.execute()
    except redis.RedisError as error:
        logger.warning("durations of a turn are lost: %s", error)


def read() -> list[Histogram]:
    """Return the histograms of all processes, by name and channel. Raise RedisError."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for field, count in redis_client.shared().hgetall(KEY).items():
        name, channel, bucket = field.decode().split(":")
        found.setdefault((name, channel), {})[bucket] = float(count)
    return [
        Histogram(name, channel, buckets, buckets.pop(SUM, 0.0) / 1000)
        for (name, channel), buckets in sorted(found.items())
    ]
