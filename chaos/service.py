"""A process that is started again when it dies, until it is told to stop."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.processes import kill_group
from tools.supervisor import start_group

TICK_S = 0.1
#: Seconds from a death to the new start, like systemd's Restart=always with RestartSec=.
RESTART_S = 0.3
TAIL_LINES = 15


class Service:
    """One process of the rig and its group, which a kill ends as a whole.

    `ready_text` is what it writes to its log when it is up; empty if it never says so.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        ready_text: str = "",
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._folder = folder
        self._ready_text = ready_text
        self._starts = 0
        self._start_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # The supervising thread and the scenario's thread both use it.
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have the supervising thread start it, and start it again when it dies."""
        with self._lock:
            self._start_at = 0.0

    def supervise(self) -> None:
        """Start the process if it should run and does not."""
        with self._lock:
            if self._process and self._process.poll() is not None:
                self._clean_up()
            is_due = self._start_at is not None and time.monotonic() >= self._start_at
            if is_due and not self._process:
                self._spawn()

    def is_ready(self) -> bool:
        """Return whether the present process runs and has written that it is up."""
        with self._lock:
            is_alive = self._process is not None and self._process.poll() is None
            return is_alive and self.has_written(self._ready_text)

    def has_written(self, text: str) -> bool:
        """Return whether this text is in the log of the latest process."""
        return text in self._log.read_text(errors="replace")

    def is_gone(self) -> bool:
        with self._lock:
            return self._process is None

    def is_process(self, process_id: int) -> bool:
        """Return whether its present process has this id."""
        with self._lock:
            return self._process is not None and self._process.pid == process_id

    def kill(self, *, stay_down: bool = False) -> None:
        """SIGKILL the process and all of its group, as a power cut would end them."""
        with self._lock:
            if stay_down:
                self._start_at = None
            if self._process:
                kill_group(self._process.pid)
                self._process.wait()
                self._clean_up()

    def terminate(self) -> None:
        """SIGTERM the process, which lets it finish its work; it is not started again."""
        with self._lock:
            self._start_at = None
            if self._process and self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)

    def log_tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._starts else []
        return "\n".join(f"    {self.name}: {line}" for line in lines[-TAIL_LINES:])

    @property
    def _log(self) -> Path:
        return self._folder / f"{self.name}-{self._starts}.log"

    def _spawn(self) -> None:
        self._starts += 1
        with self._log.open("wb") as output:
            self._process = start_group(self._command, self._environment, output)

    def _clean_up(self) -> None:
        assert self._process
        # What is left of its group must not work on beside its successor.
        kill_group(self._process.pid)
        self._process = None
        if self._start_at is not None:
            self._start_at = time.monotonic() + RESTART_S


@contextmanager
def supervised(services: Iterable[Service]) -> Iterator[None]:
    """Keep these services running, and those added later; stop them all at the end.

    One thread starts them all and outlives them: a process dies with the thread that started it.
    """
    is_over, may_end = threading.Event(), threading.Event()

    def supervise() -> None:
        while not is_over.wait(TICK_S):
            for each in list(services):
                each.supervise()
        may_end.wait()

    thread = threading.Thread(target=supervise, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        for each in services:
            each.kill(stay_down=True)
        may_end.set()
        thread.join()
