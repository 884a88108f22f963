"""`make run`: the whole system on one machine, until Ctrl-C.

Starts a private Redis and the processes of the Procfile, starts again what dies, and leaves no
process behind.
"""

import argparse
import fcntl
import os
import re
import shlex
import signal
import string
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from tools.environment import (
    build_environment,
    read_ports,
    refuse_other_environments,
    refuse_taken,
    write_environment,
)
from tools.processes import LOOPBACK, port_is_free, redis_answers, redis_command
from tools.supervisor import ROOT, STOP_S, TICK_S, Console, Process, Trouble

# These stop last, in this order: the worker needs them to finish its task.
STOPPED_LAST = ("sandbox", "redis")

READY_S = 120.0
READY_LINE = "Ctrl-C stops everything."

_http = build_opener(ProxyHandler({}))


class Run:
    """Everything between `make run` and Ctrl-C."""

    def __init__(self, ports: dict[str, int], var: Path, procfile: Path | None) -> None:
        self.console = Console()
        self.ports = ports
        self.environment = build_environment(os.environ, ports, var)
        # A test's own Procfile has processes that need neither database nor demo.
        self.sets_up = procfile is None
        self.var = var
        redis = redis_command(ports["PORT_REDIS"], var)
        self.redis = Process("redis", redis, self.environment, self.console, quiet=True)
        self.redis.kept_down_by = redis_stopped(var)
        self.processes = {"redis": self.redis} | {
            name: Process(name, command, self.environment, self.console)
            for name, command in read_procfile(procfile or ROOT / "Procfile", self.environment)
        }
        checks: dict[str, Callable[[], bool]] = {
            "web": lambda: self._answers("PORT_WEB", "/healthz"),
            "sandbox": lambda: self._answers("PORT_SANDBOX", "/api/health"),
            "worker": lambda: self.processes["worker"].has_said(" ready."),
        }
        self.starting = {name: checks[name] for name in checks if name in self.processes}
        self.sign_ins: list[str] = []
        self.signals = 0

    def __call__(self) -> None:
        """Run until a signal asks to stop. Raise Trouble if the run cannot go on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._set_up()
            self._start_all()
            while not self.signals:
                self._tend_all()
        finally:
            self._stop_all()

    def _on_signal(self, *_: object) -> None:
        self.signals += 1

    def _set_up(self) -> None:
        write_environment(self.var / "run.env", self.environment)
        redis_stopped(self.var).unlink(missing_ok=True)
        self.redis.start()
        while not redis_answers(self.ports["PORT_REDIS"]) and not self.signals:
            self.redis.tend()
            time.sleep(TICK_S)
        if self.sets_up:
            self.console.text("Preparing the database and the demo.")
            self._manage("migrate", "--verbosity=0")
            self.sign_ins = self._manage("seed_demo")
            self.console.text("Starting the processes.")

    def _manage(self, *arguments: str) -> list[str]:
        """Run one manage.py command to its end. Return the lines that it printed."""
        command = [sys.executable, "manage.py", *arguments]
        process = Process(arguments[0], command, self.environment, self.console, quiet=True)
        if self.signals:
            return []
        process.start()
        while (status := process.status()) is None and not self.signals:
            time.sleep(TICK_S)
        process.terminate()
        process.reap(STOP_S, self._is_in_a_hurry)
        if status:
            raise Trouble(f"`manage.py {arguments[0]}` failed. {process.last_words()}")
        return list(process.lines)

    def _start_all(self) -> None:
        """Start the processes, and print where they are as soon as all of them answer."""
        give_up_at = time.monotonic() + READY_S
        self._tend_all()
        while self.starting and not self.signals:
            self.starting = {name: is_up for name, is_up in self.starting.items() if not is_up()}
            if self.starting and time.monotonic() > give_up_at:
                raise Trouble(f"{next(iter(self.starting))} did not answer within {READY_S:g} s.")
            self._tend_all()
        if not self.signals:
            self.console.text(self._banner())

    def _tend_all(self) -> None:
        for process in self.processes.values():
            process.tend()
        time.sleep(TICK_S)

    def _answers(self, port: str, path: str) -> bool:
        try:
            with _http.open(f"http://{LOOPBACK}:{self.ports[port]}{path}", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _banner(self) -> str:
        site = self.environment["SITE_URL"]
        places = {
            "Site": f"{site}/",
            "Dev inbox": f"{site}/sandbox/",
            "Notifications": f"{site}/notifications/",
            "Admin": f"{site}/admin/",
            "Flower": f"http://localhost:{self.ports['PORT_FLOWER']}/",
        }
        lines = [READY_LINE]
        if self.sets_up:
            addresses = [f"{name:15}{address}" for name, address in places.items()]
            lines = [*addresses, "", *self.sign_ins, "", *lines]
        return "\n" + "\n".join(f"  {line}".rstrip() for line in lines)

    def _stop_all(self) -> None:
        self.console.text("\nStopping (Ctrl-C again: without waiting for running tasks).")
        first = [process for name, process in self.processes.items() if name not in STOPPED_LAST]
        last = [[self.processes[name]] for name in STOPPED_LAST if name in self.processes]
        for group in [first, *last]:
            self._stop(group)

    def _stop(self, group: list[Process]) -> None:
        for process in group:
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in group:
            process.reap(deadline - time.monotonic(), self._is_in_a_hurry)

    def _is_in_a_hurry(self) -> bool:
        return self.signals > 1


@contextmanager
def only_run_in(var: Path) -> Iterator[None]:
    """Hold the folder for this run. Raise Trouble if another run has it."""
    with (var / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(
                f"another `make run` uses {var}: stop it first. They would share a database."
            ) from None
        yield


def read_procfile(path: Path, environment: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each process's name and command, with the environment's variables put in."""
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"([\w-]+):\s*(.+)", line):
            words = shlex.split(match[2])
            yield match[1], [string.Template(word).substitute(environment) for word in words]


def redis_stopped(var: Path) -> Path:
    """Return the file that keeps the Redis of a run down while it exists."""
    return var / "redis.stopped"


def stop_redis(port: int, var: Path) -> None:
    """Have the run that uses `var` stop its Redis, and wait until it is gone."""
    if not redis_answers(port):
        raise Trouble(f"there is no Redis to stop on port {port}; is `make run` running?")
    redis_stopped(var).touch()
    _wait_for(lambda: port_is_free(port), f"Redis still listens on port {port}")


def start_redis(port: int, var: Path) -> None:
    """Have the run that uses `var` start its Redis again, and wait until it answers."""
    redis_stopped(var).unlink(missing_ok=True)
    _wait_for(lambda: redis_answers(port), f"no Redis answers on port {port}")


def _wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + STOP_S
    while not condition():
        if time.monotonic() > deadline:
            raise Trouble(f"{otherwise} after {STOP_S:g} s; is `make run` running?")
        time.sleep(TICK_S)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.run", description=__doc__)
    parser.add_argument(
        "action", nargs="?", default="run", choices=("run", "redis-stop", "redis-start")
    )
    parser.add_argument("--var", type=Path, default=ROOT / "var", help="where its files go")
    parser.add_argument("--procfile", type=Path, help="run these processes, without set-up")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    var = arguments.var.resolve()
    var.mkdir(parents=True, exist_ok=True)
    try:
        ports = read_ports()
        if arguments.action == "redis-stop":
            stop_redis(ports["PORT_REDIS"], var)
        elif arguments.action == "redis-start":
            start_redis(ports["PORT_REDIS"], var)
        else:
            refuse_other_environments()
            refuse_taken(ports)
            with only_run_in(var):
                Run(ports, var, arguments.procfile)()
    except Trouble as trouble:
        print(f"make {arguments.action}: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
