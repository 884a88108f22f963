"""The application's own workers, which die at a named point of an attempt when they are told to.

A file in KILL_FOLDER, named after the point, is a kill request: the process that passes the point
and removes the file kills its whole worker. The application's functions are wrapped from outside.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import django

from rs_systems.celery import app as app

django.setup()

from apps.core.channels.base import ChannelService  # noqa: E402
from apps.core.delivery import attempt, transitions  # noqa: E402  they need the settings
from apps.core.states import LogEvent  # noqa: E402

from .kill_points import KILL_FOLDER, KillPoint  # noqa: E402

_folder = Path(os.environ[KILL_FOLDER])


def _die_if_requested(point: KillPoint) -> None:
    try:
        (_folder / point).unlink()
    except FileNotFoundError:
        return
    # The pool's processes are in the group of their worker.
    os.killpg(0, signal.SIGKILL)


def _with_kill_point(
    function: Callable[..., Any], point_after: Callable[..., KillPoint | None]
) -> Callable[..., Any]:
    """Wrap the function; `point_after` gets its result and arguments, and returns the point."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if point := point_after(result, *args):
            _die_if_requested(point)
        return result

    return wrapped


def _after_claim(delivery: Any, *_: Any) -> KillPoint | None:
    return KillPoint.CLAIMED if delivery else None


def _after_log_entry(_: Any, __: Any, event: LogEvent) -> KillPoint | None:
    points = {LogEvent.CALLING: KillPoint.CALLING, LogEvent.ACCEPTED: KillPoint.RECORDING}
    return points.get(event)


def _after_send(*_: Any) -> KillPoint:
    return KillPoint.ACCEPTED


attempt.claim = _with_kill_point(attempt.claim, _after_claim)
transitions.record = _with_kill_point(transitions.record, _after_log_entry)
ChannelService.send = _with_kill_point(ChannelService.send, _after_send)  # type: ignore[method-assign]
