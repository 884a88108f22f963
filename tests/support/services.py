"""Real services for the tests: Redis, PostgreSQL, Celery workers.

They listen on loopback only, on ports and in folders of their own, and end with the tests.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tools import processes
from tools.endpoints import endpoints
from tools.postgres import PostgreSQL as PostgreSQL
from tools.processes import (
    LOOPBACK,
    die_with_parent,
    free_ports,
    kill_group,
    port_is_free,
    redis_answers,
    redis_command,
)
from tools.stack import committed_environment
from tools.supervisor import start_group

BIN = Path(sys.executable).parent
STOP_S = 40.0
# Nothing listens here, so a call that a test did not prepare fails and reaches nothing.
CLOSED_PORT = 9
#: The errors of a Redis that answers later than our time-outs.
REDIS_IS_SLOW = (OperationalError, RedisError)
#: Seconds between the sweeps of `wait_with_beat`.
TURN_S = 5.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait as tools.processes does; an error of a slow Redis counts as "not yet"."""

    def holds() -> Any:
        try:
            return condition()
        except REDIS_IS_SLOW:
            return False

    processes.wait_until(holds, what, seconds)


def wait_with_beat(
    condition: Callable[[], Any], what: str, turn: Callable[[], Any] | None = None
) -> None:
    """Wait until the condition holds, and call `turn`, or else the sweep, every few seconds.

    No beat runs beside a test, and a slow Redis may lose a wake-up.
    """

    from apps.core.delivery import wakeups

    turn = turn or wakeups.wake_dispatch
    next_turn = time.monotonic() + TURN_S

    def holds() -> Any:
        nonlocal next_turn
        if held := condition():
            return held
        if time.monotonic() > next_turn:
            next_turn = time.monotonic() + TURN_S
            turn()
        return False

    wait_until(holds, what)


def environment(folder: Path, broker_url: str, database_url: str) -> dict[str, str]:
    """Return the variables of the settings: the development values, with our own services.

    Variables win over files, so a developer's own `.env` changes none of these.
    """
    return committed_environment() | {
        "DJANGO_SETTINGS_MODULE": "rs_systems.settings",
        "CELERY_BROKER_URL": broker_url,
        "CELERY_RESULT_BACKEND": "",
        "CELERY_TASK_ALWAYS_EAGER": "false",
        "DATABASE_URL": database_url,
        # A test stands still in its transaction while it waits for a process on a busy machine.
        "DATABASE_STATEMENT_TIMEOUT_S": "600",
        "ENV_FILE": os.devnull,
        "AWS_SECRETS_NAME": "",
        "LOG_DIR": "",
        # No test waits for the account's rate limit, unless it measures that.
        "EMAIL_RATE_LIMIT": "1000",
        "SMS_RATE_LIMIT": "1000",
        # Nor for the morning, or for the next hour.
        "SMS_HOURS": "always",
        "SMS_CAP_PER_PERSON_H": "0",
        "EMAIL_CAP_PER_PERSON_H": "0",
        "AWS_SES_PORT": str(CLOSED_PORT),
        **endpoints(f"http://{LOOPBACK}:{CLOSED_PORT}"),
        "SANDBOX_URL": f"http://{LOOPBACK}:{CLOSED_PORT}",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
        "VAR_DIR": str(folder),
    }


class Redis:
    """A private Redis that keeps its port when it is stopped and started."""

    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        self.url = f"redis://{LOOPBACK}:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                redis_command(self.port, self._folder), stdout=log, preexec_fn=die_with_parent
            )
        wait_until(lambda: redis_answers(self.port), f"Redis answers on port {self.port}")

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def database_url() -> str:
    """Return the URL of the test database, for another process."""
    from django.db import connection

    url = os.environ["DATABASE_URL"]
    if connection.vendor == "sqlite":
        return url
    return urlsplit(url)._replace(path=f"/{quote(connection.settings_dict['NAME'])}").geturl()


@dataclass
class Worker:
    """A Celery worker in its own process; it answers to `name`."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text()

    def answers(self) -> bool:
        from rs_systems.celery import app

        if self.process.poll() is not None:
            raise AssertionError(f"the worker ended; it wrote:\n{self.output}")
        # A new connection: those of the pool may be from before a test restarted Redis.
        with app.connection_for_read() as connection:
            asked = app.control.inspect([self.name], 0.5, connection=connection, limit=1)
            return bool(asked.ping())

    def is_idle(self) -> bool:
        """Return whether it runs no task, and none waits."""
        from apps.core.delivery import broker
        from rs_systems.celery import app

        if any(sum(broker.waiting(name).values()) for name in (broker.QUEUE, broker.HOUSEKEEPING)):
            return False
        with app.connection_for_read() as connection:
            asked = app.control.inspect([self.name], 0.5, connection=connection, limit=1)
            return (asked.active(), asked.reserved()) == ({self.name: []}, {self.name: []})

    def kill(self) -> None:
        """Kill it and every process of its pool, as a power cut would."""
        kill_group(self.process.pid)
        self.process.wait()


@contextmanager
def running_worker(
    folder: Path, name: str, concurrency: int = 1, queues: str = "", **variables: str
) -> Iterator[Worker]:
    """Run a worker on the test database and the private Redis; kill it at the end."""
    log = folder / f"{name}.log"
    worker = Worker(
        name,
        _start(
            log,
            variables,
            "celery",
            "--app=rs_systems",
            "worker",
            "--loglevel=info",
            f"--hostname={name}",
            f"--concurrency={concurrency}",
            *([f"--queues={queues}"] if queues else []),
        ),
        log,
    )
    try:
        wait_until(worker.answers, f"{name} answers")
        yield worker
    finally:
        worker.kill()


class Site:
    """The site on the test database, in its own processes, on a port that it keeps."""

    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._log = folder / "site.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **variables: str) -> None:
        address = f"{LOOPBACK}:{self.port}"
        self._process = _start(
            self._log,
            variables,
            "gunicorn",
            "rs_systems.wsgi",
            f"--bind={address}",
            "--threads=4",
            "--no-control-socket",
        )
        wait_until(lambda: not port_is_free(self.port), f"the site listens on {address}")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            finally:
                kill_group(self._process.pid)
                self._process = None


def shared_environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the environment of another process that works on the test database."""
    return os.environ | {"DATABASE_URL": database_url()} | variables


def _start(
    log: Path, variables: dict[str, str], program: str, *arguments: str
) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return start_group([BIN / program, *arguments], shared_environment(variables), output)
