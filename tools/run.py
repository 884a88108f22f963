"""`make run`: the whole system on one machine, until Ctrl-C.

Starts a private Redis and the processes of the Procfile, starts again whatever dies, and leaves
no process behind.
"""

import argparse
import fcntl
import os
import re
import shlex
import signal
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from dotenv import dotenv_values

from tools.endpoints import endpoints
from tools.processes import (
    LOOPBACK,
    die_with_parent,
    port_is_free,
    redis_answers,
    redis_command,
)
from tools.supervisor import ROOT, STOP_S, TICK_S, Console, Process, Trouble

PORTS = {
    "PORT_WEB": 8000,
    "PORT_FLOWER": 5555,
    "PORT_SMTP": 2525,
    "PORT_AWS": 9912,
    "PORT_SANDBOX": 9911,
    "PORT_REDIS": 6390,
}
# These go last, in this order: the worker needs them to finish the task that it is running.
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
        # Another Procfile than ours is a set of processes without our database and demo.
        self.sets_up = procfile is None
        self.var = var
        redis = redis_command(ports["PORT_REDIS"], var)
        self.redis = Process("redis", redis, self.environment, self.console, quiet=True)
        self.redis.kept_down_by = redis_stopped(var)
        self.processes = {"redis": self.redis} | {
            name: Process(name, command, self.environment, self.console)
            for name, command in read_procfile(procfile or ROOT / "Procfile", self.environment)
        }
        self.sign_ins: list[str] = []
        self.signals = 0
        self.problem = ""

    def __call__(self) -> None:
        """Run until a signal asks to stop; raises Trouble where it cannot go on."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), self._on_signal)
        waiting = threading.Thread(target=self._announce_when_ready, daemon=True)
        try:
            self._set_up()
            waiting.start()
            while not self.stopping:
                for process in self.processes.values():
                    process.tend()
                time.sleep(TICK_S)
        except Trouble as trouble:
            self.problem = str(trouble)
        finally:
            self._stop_all()
            if waiting.ident:
                waiting.join(timeout=5)
        if self.problem:
            raise Trouble(self.problem)

    @property
    def stopping(self) -> bool:
        return bool(self.signals or self.problem)

    def _on_signal(self, *_: object) -> None:
        self.signals += 1

    def _set_up(self) -> None:
        write_environment(self.var / "run.env", self.environment)
        redis_stopped(self.var).unlink(missing_ok=True)
        self.redis.start()
        while not redis_answers(self.ports["PORT_REDIS"]) and not self.stopping:
            self.redis.tend()
            time.sleep(TICK_S)
        if self.sets_up:
            self.console.text("Preparing the database.")
            self._once("migrate", "--verbosity=0")
            self.sign_ins = self._once("seed_demo")

    def _once(self, *arguments: str) -> list[str]:
        """Run one manage.py command to its end; the lines that it printed."""
        command = [sys.executable, "manage.py", *arguments]
        process = Process(arguments[0], command, self.environment, self.console, quiet=True)
        if self.stopping:
            return []
        process.start()
        while (status := process.status()) is None and not self.stopping:
            time.sleep(TICK_S)
        process.terminate()
        process.reap(STOP_S, self._hurry)
        if status:
            raise Trouble(f"`manage.py {arguments[0]}` failed. {process.last_words()}")
        return list(process.lines)

    def _announce_when_ready(self) -> None:
        checks: dict[str, Callable[[], bool]] = {
            "web": lambda: self._answers("PORT_WEB", "/healthz"),
            "sandbox": lambda: self._answers("PORT_SANDBOX", "/api/health"),
            "worker": self._worker_answers,
        }
        deadline = time.monotonic() + READY_S
        for name in [name for name in checks if name in self.processes]:
            while not self.stopping and not checks[name]():
                if time.monotonic() > deadline:
                    self.problem = f"{name} did not answer within {READY_S:g} s."
                time.sleep(TICK_S)
        if not self.stopping:
            self.console.text(self._banner())

    def _answers(self, port: str, path: str) -> bool:
        try:
            with _http.open(f"http://{LOOPBACK}:{self.ports[port]}{path}", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _worker_answers(self) -> bool:
        ping = subprocess.Popen(
            ["celery", "-A", "rs_systems", "inspect", "ping", "--timeout=2"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        while ping.poll() is None and not self.stopping:
            time.sleep(TICK_S)
        ping.kill()
        return ping.wait() == 0

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
            process.reap(deadline - time.monotonic(), self._hurry)

    def _hurry(self) -> bool:
        return self.signals > 1


def read_ports() -> dict[str, int]:
    """The port of each variable of PORTS, from the environment or its default."""
    ports: dict[str, int] = {}
    for variable, default in PORTS.items():
        text = os.environ.get(variable, str(default))
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise Trouble(f"{variable} is {text!r}; it must be a number from 1 to 65535.")
        if int(text) in ports.values():
            raise Trouble(f"{variable} is {text}, which another port has already; choose another.")
        ports[variable] = int(text)
    return ports


def refuse_other_environments() -> None:
    """Raise Trouble where this machine is set up for staging or production.

    The demo must not be written into such a database, nor its deliveries go to the sandbox.
    """
    file = Path(os.environ.get("ENV_FILE", ".env"))
    named = os.environ.get("ENVIRONMENT") or dotenv_values(ROOT / file).get("ENVIRONMENT")
    if named and named != "development":
        raise Trouble(
            f"ENVIRONMENT is {named}, in the environment or in {file}; the demo is for development"
            " only. Unset it, or set ENVIRONMENT=development and a DATABASE_URL of its own."
        )


@contextmanager
def only_run_in(var: Path) -> Iterator[None]:
    """Hold the folder for this run; raises Trouble where another one has it."""
    with (var / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(
                f"another `make run` uses {var}: stop it first. They would share a database."
            ) from None
        yield


def refuse_taken(ports: dict[str, int]) -> None:
    """Raise Trouble naming every port that a server of ours could not listen on."""
    taken = {variable: port for variable, port in ports.items() if not port_is_free(port)}
    if not taken:
        return
    named = " and ".join(
        f"{port} ({variable.removeprefix('PORT_').lower()})" for variable, port in taken.items()
    )
    other = " ".join(f"{variable}={_another(port, ports)}" for variable, port in taken.items())
    noun, verb, them = ("port", "is", "it") if len(taken) == 1 else ("ports", "are", "them")
    raise Trouble(
        f"{noun} {named} {verb} in use, perhaps by another `make run`: stop what uses {them},"
        f" or choose another, as in `make run {other}`."
    )


def _another(port: int, ports: dict[str, int]) -> int:
    """A free port a hundred or more above, which none of ours has."""
    candidates = range(port + 100, 65536, 100)
    free = (each for each in candidates if each not in ports.values() and port_is_free(each))
    return next(free, port)


def build_environment(base: Mapping[str, str], ports: dict[str, int], var: Path) -> dict[str, str]:
    """The environment of every process: `base`, and where each finds the others."""
    environment = {**base} | {variable: str(port) for variable, port in ports.items()}
    if var != ROOT / "var":
        environment.setdefault("DATABASE_URL", f"sqlite:///{quote(str(var))}/db.sqlite3")
    return environment | {
        # A `.env` made for staging must not be what the demo is written to.
        "ENVIRONMENT": "development",
        "DJANGO_SETTINGS_MODULE": "rs_systems.settings",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "VAR_DIR": str(var),
        "SITE_URL": f"http://localhost:{ports['PORT_WEB']}",
        "CELERY_BROKER_URL": f"redis://{LOOPBACK}:{ports['PORT_REDIS']}/0",
        # The sandbox's, also where a `.env` has an account's real ones.
        "AWS_SES_HOST": LOOPBACK,
        "AWS_SES_PORT": str(ports["PORT_SMTP"]),
        "AWS_SES_TLS": "none",
        "AWS_SES_SMTP_USER": "SANDBOXSMTPUSER00001",
        "AWS_SES_SMTP_PASSWORD": "sandbox-password",
        **endpoints(f"http://{LOOPBACK}:{ports['PORT_AWS']}"),
        "SANDBOX_EVENTS_URL": f"http://localhost:{ports['PORT_WEB']}/webhooks/aws/sns",
        "SANDBOX_URL": f"http://{LOOPBACK}:{ports['PORT_SANDBOX']}",
    }


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """What a manage.py command beside this run needs: `ENV_FILE=<path> python manage.py …`."""
    # What somebody chose for this run in their shell is not in the other one's.
    chosen = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    ours = {
        name: value
        for name, value in environment.items()
        if name in chosen or os.environ.get(name) != value
    }
    lines = [f"{name}={value}" for name, value in ours.items() if name not in ("PATH", "ENV_FILE")]
    path.write_text("\n".join(sorted(lines)) + "\n")


def read_procfile(path: Path, environment: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Each process's name and command, with the environment's variables put in."""
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"([\w-]+):\s*(.+)", line):
            words = shlex.split(match[2])
            yield match[1], [string.Template(word).substitute(environment) for word in words]


def redis_stopped(var: Path) -> Path:
    """The file that keeps the Redis of a run down while it exists."""
    return var / "redis.stopped"


def stop_redis(port: int, var: Path) -> None:
    """Have the run that uses `var` take its Redis away, and wait until it is gone."""
    if not redis_answers(port):
        raise Trouble(f"there is no Redis to stop on port {port}; is `make run` running?")
    redis_stopped(var).touch()
    _wait_for(lambda: port_is_free(port), f"Redis still listens on port {port}")


def start_redis(port: int, var: Path) -> None:
    """Have the run that uses `var` bring its Redis back, and wait until it answers."""
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
