"""The secret, asked again while the process runs, and what of it changes without a restart."""

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import dj_database_url
from celery.signals import task_failure, task_prerun
from django.conf import settings
from django.core.signals import got_request_exception, request_started
from django.db import OperationalError

from apps.core import providers
from apps.core.guards.signals import channel_refused

from . import secret

logger = logging.getLogger(__name__)

#: Seconds between two questions, however often credentials are refused.
SOONEST_S = 10.0

_EMAIL = {"AWS_SES_SMTP_USER": "EMAIL_HOST_USER", "AWS_SES_SMTP_PASSWORD": "EMAIL_HOST_PASSWORD"}


class Watch:
    """When the secret was last asked. One thread asks; the others go on with what there is."""

    def __init__(self, asked_at: float) -> None:
        """`asked_at`: when the secret was last read, on the monotonic clock."""
        self._asking = threading.Lock()
        self._asked_at = asked_at

    def look(self, after_s: float) -> bool:
        """Ask, where that was longer ago; whether something has changed without a restart."""
        if time.monotonic() - self._asked_at < after_s or not self._asking.acquire(blocking=False):
            return False
        try:
            self._asked_at = time.monotonic()
            return apply(secret.renew())
        except secret.Unreadable as problem:
            logger.warning("secret not read, going on with what it said before: %s", problem)
            return False
        finally:
            self._asking.release()


_watch = Watch(time.monotonic())


def watch() -> None:
    """Look at the secret now and then, before a request or a task, and when we are refused."""
    for signal, receiver in OCCASIONS:
        signal.connect(receiver)


def _begin_anew() -> None:
    # A thread that is asking is not in the child, and would never give the lock back there. What
    # the parent read may be long ago, and a worker's main process never asks again: the child does
    # so before its first task.
    global _watch
    _watch = Watch(-math.inf)


os.register_at_fork(after_in_child=_begin_anew)


def _now_and_then(**_: Any) -> None:
    _watch.look(settings.AWS_SECRETS_REFRESH_S)


def _when_refused(**_: Any) -> bool:
    return _watch.look(SOONEST_S)


def _when_the_database_refuses(exception: BaseException | None = None, **_: Any) -> None:
    # PostgreSQL's own code is not among what the client library tells of a failed connection.
    if isinstance(exception or sys.exc_info()[1], OperationalError):
        _watch.look(SOONEST_S)


OCCASIONS: tuple[tuple[Any, Callable[..., Any]], ...] = (
    (request_started, _now_and_then),
    (task_prerun, _now_and_then),
    (channel_refused, _when_refused),
    (got_request_exception, _when_the_database_refuses),
    (task_failure, _when_the_database_refuses),
)


def apply(changed: dict[str, str]) -> bool:
    """Let what can change do so, and name what waits for a restart; whether something has."""
    live = [name for name in changed if name in _EMAIL]
    if live:
        for name in live:
            setattr(settings, _EMAIL[name], changed[name])
        # Their next connection is made with these.
        providers.forget()
    if "DATABASE_URL" in changed and _sign_in_anew(changed["DATABASE_URL"]):
        live.append("DATABASE_URL")
    secret.put({name: changed[name] for name in live})
    if live:
        logger.info("secret rotated, in use from now on: %s", ", ".join(sorted(live)))
    if waiting := changed.keys() - set(live):
        logger.warning("secret changed, restart for: %s", ", ".join(sorted(waiting)))
    return bool(live)


def _sign_in_anew(url: str) -> bool:
    """Another user or password for connections to come; False where it is another database.

    PostgreSQL lets those that are open stay, and they end with DATABASE_CONN_MAX_AGE.
    """
    database = settings.DATABASES["default"]
    try:
        new = dj_database_url.parse(url)
    except ValueError:
        return False
    if any(new.get(part) != database[part] for part in ("ENGINE", "HOST", "PORT", "NAME")):
        return False
    # The one dictionary that the connections of all threads are opened by.
    database.update(USER=new["USER"], PASSWORD=new["PASSWORD"])
    return True
