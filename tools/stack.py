"""Another `make run`, for tests and measurements: on free ports, in its own folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dotenv import dotenv_values

from tools.environment import PORTS, build_environment
from tools.processes import LOOPBACK, free_ports, wait_until
from tools.run import READY_LINE
from tools.shell import Shell
from tools.supervisor import ROOT, start_group

START_S = 120.0
STOP_S = 60.0


@dataclass
class Stack:
    """A running `make run`; `environment` is what it was started with."""

    process: "subprocess.Popen[bytes]"
    var: Path
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """Return the site's address, without a slash at the end."""
        return f"http://localhost:{self.environment['PORT_WEB']}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{LOOPBACK}:{self.environment['PORT_SANDBOX']}"

    @property
    def output(self) -> str:
        return (self.var / "run.log").read_text()

    def redis(self, action: str) -> None:
        """`stop` its Redis or `start` it, as `make redis-stop` and `make redis-start` do."""
        command = run_command(f"redis-{action}", f"--var={self.var}")
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment)

    def manage(self, *arguments: str) -> str:
        """Run a manage.py command on its database and Redis. Return what the command printed."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            check=True,
            cwd=ROOT,
            env=self._processes_environment(),
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    @cached_property
    def shell(self) -> Shell:
        """Runs Python code on its database and Redis. Started when it is first needed."""
        return Shell(self._processes_environment())

    def close_shell(self) -> None:
        if "shell" in self.__dict__:
            self.shell.close()

    def _processes_environment(self) -> dict[str, str]:
        ports = {variable: int(self.environment[variable]) for variable in PORTS}
        return build_environment(self.environment, ports, self.var)

    def processes(self) -> dict[int, str]:
        """Return the command line of each living process that it started, by its id."""
        return {pid: command for pid, command in _processes() if self._started(pid)}

    def _started(self, pid: int) -> bool:
        process = Path(f"/proc/{pid}")
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            # Redis overwrites its environment with its title, but works in our folder.
            return (
                f"VAR_DIR={self.var}".encode() in variables
                or (process / "cwd").readlink() == self.var
            )
        except OSError:  # it has ended, or belongs to another user
            return False

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the runner ended; it wrote:\n{self.output}")
        return READY_LINE in self.output


def run_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tools.run", *arguments]


def committed_environment() -> dict[str, str]:
    """Return the values of .env.development. As variables they win over a developer's `.env`."""
    values = dotenv_values(ROOT / ".env.development")
    return {name: value for name, value in values.items() if value is not None}


def stack_environment(**variables: str) -> dict[str, str]:
    """Return the committed values with free ports, and those of our variables that no setting
    reads."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ
    }
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    alone = {"ENV_FILE": os.devnull}
    return kept | committed_environment() | alone | ports | variables


@contextmanager
def running_stack(var: Path, *arguments: str, **variables: str) -> Iterator[Stack]:
    """Run `make run` in this folder on free ports; at the end, stop it as Ctrl-C does.

    `variables` win over those of .env.development.
    """
    var = var.resolve()
    var.mkdir(parents=True, exist_ok=True)
    environment = stack_environment(**variables)
    with (var / "run.log").open("wb") as output:
        process = start_group(run_command(f"--var={var}", *arguments), environment, output)
    stack = Stack(process, var, environment)
    try:
        wait_until(stack.is_ready, "the stack is ready", START_S)
        yield stack
    finally:
        stack.close_shell()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        finally:
            process.kill()
            left = stack.processes()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
    assert not left, f"the runner left processes behind: {left}"


def _processes() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_text().replace("\0", " ").strip()
            yield int(entry.name), command
