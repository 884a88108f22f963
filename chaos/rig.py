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
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import redis

from chaos.event_source import EventSource, running_event_source
from chaos.forwarder import Forwarder, running_forwarder
from chaos.kill_points import REQUEST_FOLDER
from chaos.service import Service, supervised
from sandbox.testing import RunningSandbox, running_sandbox
from tools.postgres import PostgreSQL
from tools.processes import LOOPBACK, free_ports, redis_answers, redis_command, wait_until
from tools.stack import committed_environment

BIN = Path(sys.executable).parent
#: Processes of one worker.
PROCESSES = 4
#: The names of the queues, and options of each worker, as in deploy/systemd.
QUEUE, HOUSEKEEPING = "notifications", "housekeeping"
ALONE = "--without-gossip", "--without-mingle"
READY_S = 120.0
WEBHOOK = "/webhooks/aws/sns"

_http = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class RigPlan:
    """What a rig has that differs between scenarios."""

    #: Whether the sandbox posts SES's events.
    events: bool = False
    #: Whether an EventSource of the harness publishes them instead, by webhook and queue.
    event_source: bool = False
    #: Whether there is a replica of Redis, and a forwarder that can be pointed to it.
    redis_replica: bool = False
    #: The host name of each worker.
    hosts: tuple[str, ...] = ("chaos", "chaos")
    #: Environment variables beyond those of every rig.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: The Celery applications of the workers and of beat.
    worker_app: str = "rs_systems"
    beat_app: str = "rs_systems"
    #: Whether one more worker has the housekeeping alone, as on a host of its own.
    housekeeper: bool = False


class Rig:
    """The running services and their environment."""

    forwarder: Forwarder
    event_source: EventSource

    def __init__(
        self,
        plan: RigPlan,
        folder: Path,
        sandbox: RunningSandbox,
        web_port: int,
        settings: Mapping[str, str],
    ) -> None:
        self.sandbox = sandbox
        self.postgres = PostgreSQL(_folder_in(folder, "postgres"), "--max_connections=300")
        self.site = f"http://{LOOPBACK}:{web_port}"
        #: Where the workers of chaos.worker look for requests to die or to stop.
        self.request_folder = _folder_in(folder, "requests")
        #: Where the application connects to Redis, and where Redis and its replica listen.
        self.redis_port, self.primary_port, self.replica_port = free_ports(3)
        if not plan.redis_replica:
            self.primary_port = self.redis_port
        self.environment = {**_environment(self, folder), **settings}
        self._plan = plan
        self._folder = folder
        self._numbers = count(1)
        self.services: list[Service] = []
        self.redis = self._add_redis("redis", self.primary_port)
        self.replica = self._add_redis("replica", self.replica_port) if plan.redis_replica else None
        self.workers = [self.add_worker(host) for host in plan.hosts]
        self.housekeeper = self._add_housekeeper() if plan.housekeeper else None
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
        wait_until(lambda: redis_answers(self.primary_port), "Redis answers")
        if self.replica:
            self.replica.start()
            wait_until(lambda: redis_answers(self.replica_port), "the replica answers")
            redis.Redis(port=self.replica_port).replicaof(LOOPBACK, self.primary_port)
            wait_until(self._replica_has_a_copy, "the replica has a copy")

    def fail_over_redis(self) -> None:
        """Swap primary and replica; new connections follow, open ones stay where they are."""
        redis.Redis(port=self.replica_port).replicaof("NO", "ONE")
        self.forwarder.target_port = self.replica_port
        redis.Redis(port=self.primary_port).replicaof(LOOPBACK, self.replica_port)

    def start(self) -> None:
        """Start what needs the migrated database, and wait until it is up."""
        services = [*self.workers, self.beat, self.web]
        if self.housekeeper:
            services.append(self.housekeeper)
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

    def add_worker(self, host: str = "chaos") -> Service:
        """Add a worker, not started yet."""
        name = f"worker{next(self._numbers)}"
        options = [f"--hostname={name}@{host}", f"--concurrency={PROCESSES}"]
        if self._plan.housekeeper:
            options.append(f"--queues={QUEUE}")
        return self._celery(name, self._plan.worker_app, "worker", *options, *ALONE)

    def _add_housekeeper(self) -> Service:
        options = ["--hostname=housekeeper@chaos", "--concurrency=2", f"--queues={HOUSEKEEPING}"]
        return self._celery("housekeeper", "rs_systems", "worker", *options, *ALONE)

    def add_beat(self, name: str) -> Service:
        """Add a beat, not started yet."""
        schedule = self._folder / f"{name}-schedule"
        return self._celery(
            name, self._plan.beat_app, "beat", f"--schedule={schedule}", "--pidfile="
        )

    def _celery(self, name: str, application: str, kind: str, *options: str) -> Service:
        command = [str(BIN / "celery"), f"--app={application}", kind, *options]
        return self._add(name, command, {"worker": " ready.", "beat": " is starting."}[kind])

    def _replica_has_a_copy(self) -> bool:
        info = redis.Redis(port=self.replica_port).info("replication")
        return bool(info["master_link_status"] == "up")

    def _add_redis(self, name: str, port: int) -> Service:
        return self._add(name, redis_command(port, _folder_in(self._folder, name)))

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
def running_rig(plan: RigPlan, *, seed: int, keep: bool) -> Iterator[Rig]:
    """Start the stores and the sandbox; the caller migrates the database and starts the rest.

    With `keep` the folder with the logs stays.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rs-chaos-"))
        folder.chmod(0o755)  # PostgreSQL may run as another user
        if keep:
            print(f"the logs are in {folder}", file=sys.stderr)
        else:
            stack.callback(shutil.rmtree, folder)
        [web_port, source_port] = free_ports(2)
        webhook = f"http://{LOOPBACK}:{web_port}{WEBHOOK}"
        sandbox = stack.enter_context(
            running_sandbox(events_url=webhook if plan.events else "", seed=seed)
        )
        settings = dict(plan.settings)
        if plan.event_source:
            source = stack.enter_context(running_event_source(source_port, webhook))
            settings |= source.settings
        rig = Rig(plan, folder, sandbox, web_port, settings)
        if plan.event_source:
            rig.event_source = source
        if plan.redis_replica:
            forwarder = running_forwarder(rig.redis_port, rig.primary_port)
            rig.forwarder = stack.enter_context(forwarder)
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
            REQUEST_FOLDER: str(rig.request_folder),
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
            # Nothing waits for the next hour.
            "SMS_CAP_PER_PERSON_H": "0",
            "EMAIL_CAP_PER_PERSON_H": "0",
            "UNKNOWN_DEADLINE_S": "20",
            "EMAIL_TIMEOUT": "4",
        }
    )


def _folder_in(folder: Path, name: str) -> Path:
    inner = folder / name
    inner.mkdir()
    return inner
