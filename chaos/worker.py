"""The application's own workers, which die, stop or lose a thread at a point of an attempt.

A file in REQUEST_FOLDER, named after the point, is a request: the process that passes the point and
takes the file does what it says. The application's functions are wrapped from outside.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import django

from rs_systems.celery import app as app

django.setup()

from apps.core.delivery import attempt, transitions, turn  # noqa: E402  they need the settings
from apps.core.delivery.attempt import Attempt  # noqa: E402
from apps.core.providers.base import Acceptance  # noqa: E402
from apps.core.providers.django_mail import DjangoMail  # noqa: E402

from .kill_points import (  # noqa: E402
    CLAIM,
    HAS_CLAIMED,
    REQUEST_FOLDER,
    STOP,
    STOPPED,
    KillPoint,
    ThreadFault,
)

_folder = Path(os.environ[REQUEST_FOLDER])


def _take(request: str) -> bool:
    """Return whether there was such a request; it is this process's now."""
    try:
        (_folder / request).unlink()
    except FileNotFoundError:
        return False
    return True


def _die_if_requested(point: KillPoint) -> None:
    if _take(point):
        # The pool's processes are in the group of their worker.
        os.killpg(0, signal.SIGKILL)


def _after(function: Callable[..., Any], follow: Callable[..., None]) -> Callable[..., Any]:
    """Call `follow` after the function, with its result and its arguments."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        follow(result, *args)
        return result

    return wrapped


def _after_claim(batch: list[Attempt], *_: Any) -> None:
    if batch:
        _die_if_requested(KillPoint.CLAIMED)
    if len(batch) > 1:
        _answer(CLAIM, f"{HAS_CLAIMED} {os.getppid()}", batch)


def _answer(request: str, answer: str, attempts: Sequence[Attempt]) -> bool:
    """Rename the request, if there is one, to the answer, with these deliveries' ids in it."""
    try:
        mine = (_folder / request).rename(_folder / f"taken {os.getpid()}")
    except FileNotFoundError:
        return False
    mine.write_text("\n".join(str(each.delivery.pk) for each in attempts))
    # Renamed last, so that its reader finds it complete.
    mine.rename(_folder / answer)
    return True


def _after_writing_acceptances(*_: Any) -> None:
    _die_if_requested(KillPoint.RECORDING)


_record_calls = transitions.record_calls


@wraps(_record_calls)
def _record_calls_or_die(
    announced: Sequence[Any], provider: str, accepted: Sequence[tuple[Any, Acceptance]]
) -> None:
    if len(accepted) > 1:
        _die_if_requested(KillPoint.GROUP)
    _record_calls(announced, provider, accepted)


def _after_announcing(calls: list[Any], *_: Any) -> None:
    if calls:
        _die_if_requested(KillPoint.CALLING)


_check_lease = Attempt.check_lease


def _check_lease_after_stop(this: Attempt) -> None:
    """Stop this process and its worker if requested, and check the lease when it goes on."""
    if _answer(STOP, f"{STOPPED} {os.getpid()} {os.getppid()}", [this]):
        # A worker that runs would kill this process at its task's time limit.
        os.kill(os.getppid(), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
    _check_lease(this)


_send = DjangoMail.send


def _send_or_break(provider: DjangoMail, encoded: Any) -> Acceptance:
    _break_thread(ThreadFault.HANG_BEFORE, ThreadFault.EXIT_BEFORE)
    acceptance = _send(provider, encoded)
    _break_thread(ThreadFault.HANG_AFTER, ThreadFault.EXIT_AFTER)
    _die_if_requested(KillPoint.ACCEPTED)
    return acceptance


def _break_thread(hang: ThreadFault, end: ThreadFault) -> None:
    if _take(hang):
        threading.Event().wait()
    if _take(end):
        raise SystemExit


turn.claim = _after(attempt.claim, _after_claim)  # type: ignore[attr-defined]
turn.Turn._announce = _after(turn.Turn._announce, _after_announcing)  # type: ignore[method-assign]
transitions.record_calls = _record_calls_or_die
transitions._move_accepted = _after(transitions._move_accepted, _after_writing_acceptances)
Attempt.check_lease = _check_lease_after_stop  # type: ignore[assignment, method-assign]
DjangoMail.send = _send_or_break  # type: ignore[assignment, method-assign]
