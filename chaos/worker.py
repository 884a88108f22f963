"""The application's own workers, which die or stop at a point of an attempt when told to.

A file in REQUEST_FOLDER, named after the point, is a request: the process that passes the point and
takes the file kills its whole worker. The application's functions are wrapped from outside.
"""

import os
import signal
import time
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

from .kill_points import REQUEST_FOLDER, STOP, STOPPED, KillPoint  # noqa: E402

_folder = Path(os.environ[REQUEST_FOLDER])
_sleep = time.sleep
_is_before_call = False


def _die_if_requested(point: KillPoint) -> None:
    try:
        (_folder / point).unlink()
    except FileNotFoundError:
        return
    # The pool's processes are in the group of their worker.
    os.killpg(0, signal.SIGKILL)


def _sleep_then_stop(seconds: Any) -> None:
    """Sleep, then stop this process and its worker if requested and a call comes next."""
    _sleep(seconds)
    if not _is_before_call:
        return
    try:
        (_folder / STOP).rename(_folder / f"{STOPPED} {os.getpid()} {os.getppid()}")
    except FileNotFoundError:
        return
    # A worker that runs would kill this process at its task's time limit.
    os.kill(os.getppid(), signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)


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
    global _is_before_call
    _is_before_call = event == LogEvent.CALLING
    return KillPoint.RECORDING if event == LogEvent.ACCEPTED else None


def _after_announcement(*_: Any) -> KillPoint:
    return KillPoint.CALLING


def _after_send(*_: Any) -> KillPoint:
    return KillPoint.ACCEPTED


attempt.claim = _with_kill_point(attempt.claim, _after_claim)
attempt.announce = _with_kill_point(attempt.announce, _after_announcement)
transitions.record = _with_kill_point(transitions.record, _after_log_entry)
ChannelService.send = _with_kill_point(ChannelService.send, _after_send)  # type: ignore[method-assign]
time.sleep = _sleep_then_stop
