"""The rig: the whole system on this machine, for a scenario to break.

It has PostgreSQL, Redis, the sandbox, a web process, two workers and beat, in a folder and on ports
of its own. Nothing outlives the process. This module does not need Django, because the settings can
be read only after the ports are chosen.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from chaos.kill_points import KILL_FOLDER
from chaos.service import Service, supervised
from sandbox.testing import RunningSandbox, running_sandbox
from tools.postgres import PostgreSQL
from tools.processes import LOOPBACK, free_ports, redis_answers, redis_command, wait_until
from tools.stack import committed_environment

BIN = Path(sys.executable).parent
#: Processes of one worker, so also the most calls in flight when it is killed.
PROCESSES = 4
READY_S = 120.0
WEBHOOK = "/webhooks/aws/sns"

_http = build_opener(ProxyHandler({}))


class Rig:
    """The running services and their environment.

    `worker_app` and `beat_app` are the Celery applications of the workers and of beat.
    """

    def __init__(
        self,
        folder: Path,
        sandbox: RunningSandbox,
        web_port: int,
        settings: Mapping[str, str],
        *,
        worker_app: str,
        beat_app: str,
    ) -> None:
        self.sandbox = sandbox
        self.postgres = PostgreSQL(_folder_in(folder, "postgres"), "--max_connections=300")
        [self.redis_port] = free_ports(1)
        self.site = f"http://{LOOPBACK}:{web_port}"
        #: Where the workers of chaos.worker look for kill requests.
        self.kill_folder = _folder_in(folder, "kills")
        self.environment = {**_environment(self, folder), **settings}
        self._folder = folder
        self._worker_app, self._beat_app = worker_app, beat_app
        self._numbers = count(1)
        self.services: list[Service] = []
        self.redis = self._add("redis", redis_command(self.redis_port, folder))
        self.workers = [self.add_worker(), self.add_worker()]
        self.beat = self.add_beat("beat")
        bind = f"--bind={LOOPBACK}:{web_port}"
        gunicorn = [str(BIN / "gunicorn"), "rs_systems.wsgi", bind, "--threads=4"]
        self.web = self._add("web", gunicorn)

    def start_stores(self) -> None:
        """Start an empty database, and Redis."""
        self.postgres.start()
        self.postgres.create_database()
        self.start_redis()

    def start_redis(self) -> None:
        self.redis.start()
        wait_until(lambda: redis_answers(self.redis_port), "Redis answers")

    def start(self) -> None:
        """Start what needs the migrated database, and wait until it is up."""
        services = [*self.workers, self.beat, self.web]
        for service in services:
            service.start()
        for service in services:
            self.wait_for(service)

    def wait_for(self, service: Service) -> None:
        """Wait until the present process of the service is up."""
        is_ready = self._web_answers if service is self.web else service.is_ready
        try:
            wait_until(is_ready, f"{service.name} is ready", READY_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{service.log_tail()}") from None

    def add_worker(self) -> Service:
        """Add a worker, not started yet."""
        name = f"worker{next(self._numbers)}"
        options = [f"--hostname={name}@chaos", f"--concurrency={PROCESSES}"]
        return self._celery(
            name, self._worker_app, "worker", *options, "--without-gossip", "--without-mingle"
        )

    def add_beat(self, name: str) -> Service:
        """Add a beat, not started yet."""
        schedule = self._folder / f"{name}-schedule"
        return self._celery(name, self._beat_app, "beat", f"--schedule={schedule}", "--pidfile=")

    def _celery(self, name: str, application: str, kind: str, *options: str) -> Service:
        command = [str(BIN / "celery"), f"--app={application}", kind, *options]
        return self._add(name, command, {"worker": " ready.", "beat": " is starting."}[kind])

    def _add(self, name: str, command: list[str], ready_text: str = "") -> Service:
        service = Service(name, command, self.environment, self._folder, ready_text=ready_text)
        self.services.append(service)
        return service

    def _web_answers(self) -> bool:
        try:
            with _http.open(f"{self.site}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def running_rig(
    *,
    seed: int,
    events: bool,
    settings: Mapping[str, str],
    worker_app: str,
    beat_app: str,
    keep: bool,
) -> Iterator[Rig]:
    """Start the stores and the sandbox; the caller migrates the database and starts the rest.

    With `events` the sandbox posts SES's events. With `keep` the folder with the logs stays.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rs-chaos-"))
        folder.chmod(0o755)  # PostgreSQL may run as another user
        if keep:
            print(f"the logs are in {folder}", file=sys.stderr)
        else:
            stack.callback(shutil.rmtree, folder)
        [web_port] = free_ports(1)
        sandbox = stack.enter_context(
            running_sandbox(
                events_url=f"http://{LOOPBACK}:{web_port}{WEBHOOK}" if events else "", seed=seed
            )
        )
        rig = Rig(folder, sandbox, web_port, settings, worker_app=worker_app, beat_app=beat_app)
        stack.callback(rig.postgres.stop)
        stack.enter_context(supervised(rig.services))
        rig.start_stores()
        yield rig


def _environment(rig: Rig, folder: Path) -> dict[str, str]:
    """Return the whole environment of each process: the committed values, pointed to the rig."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return (
        kept
        | committed_environment()
        | {
            "DJANGO_SETTINGS_MODULE": "rs_systems.settings",
            "ENV_FILE": os.devnull,
            "VAR_DIR": str(folder),
            KILL_FOLDER: str(rig.kill_folder),
            "PYTHONUNBUFFERED": "1",
            "SITE_URL": rig.site,
            "DATABASE_URL": rig.postgres.url,
            "CELERY_BROKER_URL": f"redis://{LOOPBACK}:{rig.redis_port}/0",
            "SANDBOX_URL": rig.sandbox.url,
            "AWS_SES_PORT": str(rig.sandbox.smtp_port),
            "AWS_ENDPOINT_URL_SNS": rig.sandbox.aws_url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": rig.sandbox.aws_url,
            "AWS_ENDPOINT_URL_CLOUDWATCH": rig.sandbox.aws_url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
            "no_proxy": "*",
            # Slow enough that a fault strikes while messages are on their way.
            "EMAIL_RATE_LIMIT": "60",
            "SMS_RATE_LIMIT": "60",
            "UNKNOWN_DEADLINE_S": "20",
            "EMAIL_TIMEOUT": "2",
        }
    )


def _folder_in(folder: Path, name: str) -> Path:
    inner = folder / name
    inner.mkdir()
    return inner
