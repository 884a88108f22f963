"""A process that is started again whenever it dies, until it is told to stop."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.processes import die_with_parent, kill_group
from tools.supervisor import ROOT

TICK_S = 0.1
#: Seconds from a death to the new start: systemd's Restart=always with a RestartSec= of its own.
RESTART_S = 0.3
SHOWN_LINES = 15


class Service:
    """One process of the rig, in a session of its own: a kill takes its whole group along.

    `ready_words` is what it writes to its log once it is up; empty for one that never says so.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        ready_words: str = "",
    ) -> None:
        self.name = name
        self.deaths = 0
        self._command = list(command)
        self._environment = dict(environment)
        self._folder = folder
        self._ready_words = ready_words
        self._starts = 0
        self._start_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # The tender and the scenario take turns.
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have it run from now on; the tender starts it."""
        with self._lock:
            self._start_at = 0.0

    def tend(self) -> None:
        """Start it where it should run and does not."""
        with self._lock:
            if self._process and self._process.poll() is not None:
                self._bury()
            due = self._start_at is not None and time.monotonic() >= self._start_at
            if due and not self._process:
                self._spawn()

    def is_ready(self) -> bool:
        """Whether the present process runs and has said that it is up."""
        with self._lock:
            alive = self._process is not None and self._process.poll() is None
            return alive and self._ready_words in self._log.read_text(errors="replace")

    def is_gone(self) -> bool:
        with self._lock:
            return self._process is None

    def kill(self, *, stay_down: bool = False) -> None:
        """SIGKILL to the process and all of its group, as a power cut would end them."""
        with self._lock:
            if stay_down:
                self._start_at = None
            if self._process:
                kill_group(self._process.pid)
                self._process.wait()
                self._bury()

    def terminate(self) -> None:
        """SIGTERM, which lets it finish what it is doing; it is not started again."""
        with self._lock:
            self._start_at = None
            if self._process and self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)

    def last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._starts else []
        return "\n".join(f"    {self.name}: {line}" for line in lines[-SHOWN_LINES:])

    @property
    def _log(self) -> Path:
        return self._folder / f"{self.name}-{self._starts}.log"

    def _spawn(self) -> None:
        self._starts += 1
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def _bury(self) -> None:
        assert self._process
        # What is left of its group must not work on beside its successor.
        kill_group(self._process.pid)
        self._process = None
        self.deaths += 1
        if self._start_at is not None:
            self._start_at = time.monotonic() + RESTART_S


@contextmanager
def tended(services: Iterable[Service]) -> Iterator[None]:
    """Keep these running, those that come in meanwhile too; stop them all at the end.

    One thread starts them all, since each lives no longer than the thread that started it.
    """
    over, ended = threading.Event(), threading.Event()

    def tend() -> None:
        while not over.wait(TICK_S):
            for each in list(services):
                each.tend()
        ended.wait()

    thread = threading.Thread(target=tend, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        for each in services:
            each.kill(stay_down=True)
        ended.set()
        thread.join()
