"""A child process that is started again when it dies, and the terminal that all of them share."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tools.processes import die_with_parent, kill_group

ROOT = Path(__file__).resolve().parent.parent

TICK_S = 0.1
# Seconds that a process lives before it counts as having been up.
UP_AFTER_S = 10.0
DEATHS_BEFORE_UP = 5
MAX_BACK_OFF_S = 10.0
# Seconds that a process has to end by itself.
STOP_S = 20.0

_COLORS = (36, 33, 32, 35, 34, 31)


class Trouble(Exception):
    """The run cannot go on; the text is a sentence for the person who started it."""


class Console:
    """Prints the lines of several processes, each after its process's name."""

    WIDTH = 7

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colors: dict[str, int] = {}
        self._colored = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, name: str, text: str) -> None:
        label = f"{name:{self.WIDTH}} |"
        if self._colored:
            with self._lock:
                color = self._colors.setdefault(name, _COLORS[len(self._colors) % len(_COLORS)])
            label = f"\033[{color}m{label}\033[0m"
        self.text(f"{label} {text}")

    def text(self, text: str) -> None:
        # A closed terminal must not keep the run from stopping its processes.
        with self._lock, suppress(OSError):
            print(text, flush=True)


class Process:
    """One process of the run, in its own session, so that only the runner gets Ctrl-C."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        console: Console,
        *,
        quiet: bool = False,
    ) -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=50)
        #: While this file exists, the process stays stopped.
        self.kept_down_by: Path | None = None
        self._command = command
        self._environment = environment
        self._console = console
        self._quiet = quiet
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._deaths = 0
        self._has_been_up = False

    def start(self) -> None:
        self._started_at = time.monotonic()
        try:
            self._child = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise Trouble(f"{self.name} cannot be started: {error}.") from error
        self._reader = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def status(self) -> int | None:
        """Return the exit status once the process has ended, else None."""
        return self._child.poll() if self._child else None

    def tend(self) -> None:
        """Start the process if it should run and does not; stop it if it should not and does."""
        if self.kept_down_by and self.kept_down_by.exists():
            if self._child:
                self._say(f"stopped, until `make {self.name}-start`")
                self.terminate()
                self.reap(STOP_S)
            self._start_at = 0.0
        elif not self._child:
            if time.monotonic() >= self._start_at:
                self.start()
        elif self._child.poll() is not None:
            self._recover(self._child.returncode)

    def has_said(self, words: str) -> bool:
        """Return whether one of its last lines has these words."""
        return any(words in line for line in list(self.lines))

    def last_words(self) -> str:
        """Return its last lines, to show below the sentence that names the trouble."""
        return "Its last lines:\n" + "\n".join(f"    {line}" for line in list(self.lines)[-20:])

    def terminate(self) -> None:
        if self._child and self._child.poll() is None:
            self._child.terminate()

    def reap(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Wait for the process, then kill what is left of its group."""
        if not self._child:
            return
        deadline = time.monotonic() + seconds
        while self._child.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(TICK_S / 2)
        kill_group(self._child.pid)
        self._child.wait()
        if self._reader:
            self._reader.join(timeout=1)
        self._child = None

    def _recover(self, status: int) -> None:
        lifetime = time.monotonic() - self._started_at
        self.reap(0)
        self._has_been_up |= lifetime >= UP_AFTER_S
        self._deaths = 1 if lifetime >= UP_AFTER_S else self._deaths + 1
        if not self._has_been_up and self._deaths >= DEATHS_BEFORE_UP:
            raise Trouble(
                f"{self.name} ended {self._deaths} times without ever being up"
                f" (the last time {_ending(status)}). {self.last_words()}"
            )
        back_off = min(0.1 * 2**self._deaths, MAX_BACK_OFF_S)
        self._start_at = time.monotonic() + back_off
        self._say(f"ended {_ending(status)}; starting it again in {back_off:g} s")

    def _read(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self.lines.append(line.rstrip())
                if not self._quiet:
                    self._say(line.rstrip())

    def _say(self, text: str) -> None:
        self._console.line(self.name, text)


def _ending(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with exit status {status}"


def start_group(
    command: Sequence[str | Path], environment: Mapping[str, str], output: IO[bytes]
) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own, which ends with this one; return it.

    It runs in the project's folder, reads nothing, and writes to `output`.
    """
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
