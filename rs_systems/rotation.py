"""Read the secret again while the process runs, and apply what can change without a restart."""

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

#: Seconds between two reads at least, however often credentials are refused.
SOONEST_S = 10.0

_EMAIL = {"AWS_SES_SMTP_USER": "EMAIL_HOST_USER", "AWS_SES_SMTP_PASSWORD": "EMAIL_HOST_PASSWORD"}


class Watch:
    """Remembers when the secret was last read. One thread reads it; the others do not wait."""

    def __init__(self, read_at: float) -> None:
        """`read_at` is a time of the monotonic clock."""
        self._reading = threading.Lock()
        self._read_at = read_at

    def look(self, after_s: float) -> bool:
        """Read the secret if the last time was longer ago; return whether something was applied."""
        if time.monotonic() - self._read_at < after_s or not self._reading.acquire(blocking=False):
            return False
        try:
            self._read_at = time.monotonic()
            return apply(secret.renew())
        except secret.Unreadable as problem:
            logger.warning("secret not read, the previous values stay in use: %s", problem)
            return False
        finally:
            self._reading.release()


_watch = Watch(time.monotonic())


def watch() -> None:
    """Look at the secret before requests and tasks, and when credentials are refused."""
    for signal, receiver in OCCASIONS:
        signal.connect(receiver)


def _reset_in_child() -> None:
    # The thread that holds the lock does not exist in the child. A worker's main process reads the
    # secret only at its start, so the child reads it before its first task.
    global _watch
    _watch = Watch(-math.inf)


os.register_at_fork(after_in_child=_reset_in_child)


def _look_regularly(**_: Any) -> None:
    _watch.look(settings.AWS_SECRETS_REFRESH_S)


def _look_when_refused(**_: Any) -> bool:
    return _watch.look(SOONEST_S)


def _look_when_the_database_fails(exception: BaseException | None = None, **_: Any) -> None:
    # psycopg does not give PostgreSQL's error code for a failed connection.
    if isinstance(exception or sys.exc_info()[1], OperationalError):
        _watch.look(SOONEST_S)


OCCASIONS: tuple[tuple[Any, Callable[..., Any]], ...] = (
    (request_started, _look_regularly),
    (task_prerun, _look_regularly),
    (channel_refused, _look_when_refused),
    (got_request_exception, _look_when_the_database_fails),
    (task_failure, _look_when_the_database_fails),
)


def apply(changed: dict[str, str]) -> bool:
    """Apply what can change now, log what needs a restart, and return whether something changed."""
    live = [name for name in changed if name in _EMAIL]
    if live:
        for name in live:
            setattr(settings, _EMAIL[name], changed[name])
        # New providers open new connections.
        providers.forget()
    if "DATABASE_URL" in changed and _use_database_user(changed["DATABASE_URL"]):
        live.append("DATABASE_URL")
    secret.put({name: changed[name] for name in live})
    if live:
        logger.info("secret rotated, in use from now on: %s", ", ".join(sorted(live)))
    if waiting := changed.keys() - set(live):
        logger.warning("secret changed, restart for: %s", ", ".join(sorted(waiting)))
    return bool(live)


def _use_database_user(url: str) -> bool:
    """Use the URL's user and password for new connections; return False for another database.

    PostgreSQL keeps open connections, and Django closes them after DATABASE_CONN_MAX_AGE.
    """
    database = settings.DATABASES["default"]
    try:
        new = dj_database_url.parse(url)
    except ValueError:
        return False
    if any(new.get(part) != database[part] for part in ("ENGINE", "HOST", "PORT", "NAME")):
        return False
    # All threads open their connections from this dictionary.
    database.update(USER=new["USER"], PASSWORD=new["PASSWORD"])
    return True
