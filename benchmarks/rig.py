"""What the measurements run on: PostgreSQL, Redis, the sink, and processes of every contestant.

Everything listens on loopback, on free ports, works in a temporary folder and ends with the block.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from tools.postgres import PostgreSQL
from tools.processes import (
    LOOPBACK,
    die_with_parent,
    free_ports,
    kill_group,
    redis_answers,
    redis_command,
    wait_until,
)
from tools.supervisor import ROOT, start_group

from . import others_venv, sink

BIN = Path(sys.executable).parent
SINKS = 2
START_S = 60.0
STOP_S = 60.0
#: As good as no limit: the highest that the settings take.
UNLIMITED = 10_000
#: As production has it. tools.postgres switches fsync off; the last option counts.
POSTGRES = (
    "--fsync=on",
    "--synchronous_commit=on",
    "--full_page_writes=on",
    "--max_connections=200",
    "--shared_buffers=256MB",
    "--max_wal_size=4GB",
)
#: Variables of the caller that every process has: the last two may be tried out.
KEPT = ("PATH", "HOME", "LANG", "EMAIL_CONNECTIONS", "SMS_CONNECTIONS")
#: People who are told by e-mail, and by text message.
PEOPLE, TEXTED = 10_500, 6_000
#: The statements that a transaction or a connection costs, beside those that read or write rows.
CONTROL = "BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET |SHOW |DISCARD|SELECT set_config"
STATEMENT = re.compile(rf"LOG:  (?:statement|execute [^:]*): (?!{CONTROL})")


class Sinks:
    """The provider: processes that share one port for SMTP and one for SNS."""

    def __init__(self, files: list[sink.Arrivals]) -> None:
        self._files = files

    def reset(self, delay_s: float = 0.0) -> None:
        """Forget the arrivals; answer each message after so many seconds."""
        for each in self._files:
            each.reset(delay_s)

    @property
    def count(self) -> int:
        return sum(each.count for each in self._files)

    def arrivals(self) -> list[tuple[float, str]]:
        """Return when each message was complete and whose it was, in the order of arrival."""
        return sorted(arrival for each in self._files for arrival in each.read())

    def times(self) -> list[float]:
        return [at for at, _ in self.arrivals()]


class Rig:
    """The running services, and what each contestant can be asked to do."""

    def __init__(self, folder: Path, postgres: PostgreSQL, sinks: Sinks) -> None:
        self.folder = folder
        self.sinks = sinks
        self.redis_port, self.smtp_port, self.sns_port = free_ports(3)
        self.environment = _environment(self, postgres.url)
        self._databases = {
            name: psycopg.connect(re.sub("rs_systems$", name, postgres.url), autocommit=True)
            for name in ("rs_systems", "others")
        }

    @property
    def redis_url(self) -> str:
        return f"redis://{LOOPBACK}:{self.redis_port}/0"

    def ask(self, query: str, database: str = "rs_systems") -> Any:
        """Return the first column of the first row."""
        row = self._databases[database].execute(query).fetchone()
        return row[0] if row else None

    def clean(self, delay_s: float = 0.0) -> None:
        """Empty the tables, Redis and the sinks, and let the database write what it has waiting.

        Without a VACUUM: a session that first sees a table known to be empty keeps a plan for
        its foreign keys that reads the whole table, and each insert then costs more.
        """
        ours, others = self._databases.values()
        ours.execute("TRUNCATE core_notification CASCADE")
        others.execute("TRUNCATE post_office_email, others_message CASCADE")
        ours.execute("CHECKPOINT")
        redis.Redis(port=self.redis_port).flushall()
        self.sinks.reset(delay_s)

    def ours(self, action: str, *arguments: object, **variables: str) -> Any:
        """Have this project do something; return what it reports."""
        return self._report(
            [sys.executable, "-m", "benchmarks.ours", action, *map(str, arguments)],
            self.environment | variables,
        )

    def others(self, action: str, *arguments: object) -> Any:
        return self._report(self.others_command(action, *arguments), self.others_environment)

    def others_command(self, action: str, *arguments: object) -> list[str]:
        python = str(others_venv.BIN / "python")
        return [python, "-m", "benchmarks.others", action, *map(str, arguments)]

    @property
    def others_environment(self) -> dict[str, str]:
        return self.environment | {
            "DJANGO_SETTINGS_MODULE": "benchmarks.others.settings",
            "DATABASE_URL": re.sub("rs_systems$", "others", self.environment["DATABASE_URL"]),
        }

    @contextmanager
    def working(
        self, workers: int = 1, processes: int = 2, **variables: str
    ) -> Iterator[list[int]]:
        """Run this project's workers and beat; yield the workers' process ids."""
        values = self.environment | variables
        celery = [str(BIN / "celery"), "-A", "rs_systems"]
        beat = [*celery, "beat", f"--schedule={self.folder / 'beat'}", "--pidfile="]
        with ExitStack() as running:
            running.enter_context(self.running("beat", beat, values, " is starting."))
            yield [
                running.enter_context(
                    self.running(
                        f"worker{number}",
                        [
                            *(*celery, "worker", "--loglevel=info"),
                            f"--hostname=worker{number}@bench",
                            f"--concurrency={processes}",
                            *("--without-gossip", "--without-mingle"),
                        ],
                        values,
                        " ready.",
                    )
                )
                for number in range(workers)
            ]

    @contextmanager
    def running(
        self, name: str, command: list[str], environment: Mapping[str, str], ready: str
    ) -> Iterator[int]:
        """Run a process that logs `ready` when it is up; yield its id, and stop it at the end."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = start_group(command, environment, output)

        def is_ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended:\n{log.read_text(errors='replace')[-3000:]}")
            return ready in log.read_text(errors="replace")

        try:
            wait_until(is_ready, f"{name} is ready", START_S)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            finally:
                kill_group(process.pid)
                process.wait()

    def at_once(self, commands: list[list[str]], environment: Mapping[str, str]) -> None:
        """Run commands side by side until all have ended."""
        processes = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                preexec_fn=die_with_parent,
            )
            for command in commands
        ]
        failed = [process.args for process in processes if process.wait()]
        if failed:
            raise RuntimeError(f"failed: {failed}")

    def statements(self, run: Callable[[], Any]) -> int:
        """Return how many statements the server logs while `run` runs, without BEGIN and COMMIT.

        Connections that are open already are not logged.
        """
        log = self.folder / "postgres" / "log"
        self.ask_to_log("rs_systems", "all")
        before = log.stat().st_size
        run()
        with log.open("rb") as file:
            file.seek(before)
            text = file.read().decode(errors="replace")
        self.ask_to_log("rs_systems", "none")
        return len(STATEMENT.findall(text))

    def ask_to_log(self, database: str, what: str) -> None:
        self._databases[database].execute(f"ALTER DATABASE {database} SET log_statement = '{what}'")

    def _report(self, command: list[str], environment: Mapping[str, str]) -> Any:
        with (self.folder / "actions.log").open("a+b") as log:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,
                check=False,
            )
            if done.returncode:
                log.seek(0)
                told = log.read().decode(errors="replace")[-3000:]
                raise RuntimeError(f"{' '.join(command)} failed:\n{told}")
        *shown, result = done.stdout.decode().splitlines()
        for line in shown:
            print(line)
        return json.loads(result)

    def close(self) -> None:
        for connection in self._databases.values():
            connection.close()


@contextmanager
def running_rig() -> Iterator[Rig]:
    """Start everything but the contestants, with both databases migrated and filled with people."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rs-bench-")))
        # As root, PostgreSQL runs as another user, which must be able to enter the folder.
        folder.chmod(0o755)
        postgres = PostgreSQL(_inner(folder, "postgres"), *POSTGRES)
        postgres.start()
        stack.callback(postgres.stop)
        postgres.create_database()
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE others")
        files = [sink.create(folder / f"sink{number}") for number in range(SINKS)]
        rig = Rig(folder, postgres, Sinks(files))
        stack.callback(rig.close)
        command = redis_command(rig.redis_port, _inner(folder, "redis"))
        stack.enter_context(rig.running("redis", command, rig.environment, ""))
        wait_until(lambda: redis_answers(rig.redis_port), "Redis answers")
        for number in range(SINKS):
            path = str(folder / f"sink{number}")
            serve = [sys.executable, "-m", "benchmarks.sink", "serve"]
            serve += [str(rig.smtp_port), str(rig.sns_port), path]
            name = f"sink-{number}"
            stack.enter_context(rig.running(name, serve, rig.environment, "ready"))
        _migrate(rig)
        yield rig


def _migrate(rig: Rig) -> None:
    migrate = ["-m", "django", "migrate", "--verbosity=0"]
    rig.at_once([[sys.executable, *migrate]], rig.environment)
    others = [str(others_venv.BIN / "python"), *migrate, "--run-syncdb"]
    rig.at_once([others], rig.others_environment)
    rig.ours("people", PEOPLE, TEXTED)
    rig.others("template")


def _environment(rig: Rig, database: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "benchmarks.ours.settings",
        "ENVIRONMENT": "development",
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(rig.folder),
        "SITE_URL": "https://app.example.com",
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": rig.redis_url,
        "AWS_SES_HOST": LOOPBACK,
        "AWS_SES_PORT": str(rig.smtp_port),
        "AWS_SES_TLS": "none",
        "AWS_SES_SMTP_USER": "",
        "AWS_SES_SMTP_PASSWORD": "",
        "EMAIL_RATE_LIMIT": str(UNLIMITED),
        "SMS_ENABLED": "true",
        "SMS_BACKEND": "apps.core.providers.sns.SNS",
        "SMS_RATE_LIMIT": str(UNLIMITED),
        "SMS_MONTHLY_SPEND_LIMIT_USD": "9999999",
        "SMS_DELIVERY_LOG_GROUP": "",
        # One person gets more messages than the hour's cap allows, at any time of the day.
        "EMAIL_CAP_PER_PERSON_H": "0",
        "SMS_CAP_PER_PERSON_H": "0",
        "SMS_HOURS": "always",
        "CLOUDWATCH_METRICS": "false",
        "AWS_ENDPOINT_URL_SNS": f"http://{LOOPBACK}:{rig.sns_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "measured",
        "AWS_SECRET_ACCESS_KEY": "measured",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def _inner(folder: Path, name: str) -> Path:
    inner = folder / name
    inner.mkdir()
    return inner


def resident_mb(pid: int) -> float:
    """Return the memory of a process and its descendants, each shared page counted once."""
    total = 0
    for process in [pid, *_descendants(pid)]:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        total += int(re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[0])
    return total / 1024


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def wait_for_count(rig: Rig, count: int, seconds: float) -> bool:
    """Wait until so many have arrived; return False if they have not after these seconds."""
    deadline = time.monotonic() + seconds
    while rig.sinks.count < count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
