"""Let one run of a task work at a time, on all hosts."""

import logging
from collections.abc import Callable
from functools import wraps
from uuid import uuid4

import redis

from apps.core import redis_client

logger = logging.getLogger(__name__)

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


def single_run(seconds: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Return a decorator that skips a run while another one of the same name works.

    The lock of a lost worker ends after these seconds, which must exceed the task's hard time
    limit. If Redis cannot answer, the run works: what it reads twice is applied once.
    """

    def decorate(run: Callable[[], None]) -> Callable[[], None]:
        @wraps(run)
        def guarded() -> None:
            key, owner = f"rs:single-run:{run.__name__}", uuid4().hex
            if not _lock(key, owner, seconds):
                logger.info("run skipped, another one is still working: %s", run.__name__)
                return
            try:
                run()
            finally:
                _release(key, owner)

        return guarded

    return decorate


def _lock(key: str, owner: str, seconds: int) -> bool:
    try:
        return bool(redis_client.shared().set(key, owner, nx=True, ex=seconds))
    except redis.RedisError as error:
        logger.warning("lock not asked for, going on without: %s", error)
        return True


def _release(key: str, owner: str) -> None:
    try:
        redis_client.shared().eval(_RELEASE, 1, key, owner)
    except redis.RedisError as error:
        logger.warning("lock not released, it ends by itself: %s", error)
