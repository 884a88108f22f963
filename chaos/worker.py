"""The application's own workers, which die at a named point of an attempt when they are told to.

They are told by a file in KILLS named after the point: whoever passes there and takes the file
away kills its whole worker. The real functions are wrapped from outside; nothing in the
application knows of it.
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

from .points import KILLS, Point  # noqa: E402

_folder = Path(os.environ[KILLS])


def _pass(point: Point) -> None:
    try:
        (_folder / point).unlink()
    except FileNotFoundError:
        return
    # The pool's processes are in the group of their worker.
    os.killpg(0, signal.SIGKILL)


def _dying(function: Callable[..., Any], after: Callable[..., Point | None]) -> Callable[..., Any]:
    """The function, followed by a point; `after` names it, given the result and the arguments."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if point := after(result, *args):
            _pass(point)
        return result

    return wrapped


def _after_claim(delivery: Any, *_: Any) -> Point | None:
    return Point.CLAIMED if delivery else None


def _after_entry(_: Any, __: Any, event: LogEvent) -> Point | None:
    return {LogEvent.CALLING: Point.CALLING, LogEvent.ACCEPTED: Point.RECORDING}.get(event)


def _after_send(*_: Any) -> Point:
    return Point.ACCEPTED


attempt.claim = _dying(attempt.claim, _after_claim)
transitions.record = _dying(transitions.record, _after_entry)
ChannelService.send = _dying(ChannelService.send, _after_send)  # type: ignore[method-assign]
