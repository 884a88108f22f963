"""The commands of the systemd units, run for real against a private Redis."""

import os
import platform
import socket
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
import redis

from rs_systems.celery import app
from rs_systems.refusal import CANNOT_START
from tests.support.secrets_manager import SecretsManager
from tests.support.services import STOP_S, database_url
from tests.support.settings import PRODUCTION
from tests.support.unit_files import command
from tools.processes import LOOPBACK, die_with_parent, free_ports, kill_group, wait_until
from tools.supervisor import ROOT

pytestmark = pytest.mark.services

PASSWORD = "operations:secret"

Service = subprocess.Popen[bytes]
Start = Callable[..., Service]


@pytest.fixture
def start(transactional_db: None, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a service as its unit does, with the variables that systemd would set.

    It must end by itself at SIGTERM, as `systemctl stop` sends it.
    """
    redis.Redis.from_url(redis_url).flushall()
    folders = {name: str(tmp_path) for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY")}

    def begin(service: str, words: list[str] | None = None, **variables: str) -> Service:
        variables = folders | variables
        with (tmp_path / f"{service}.log").open("wb") as log:
            process = subprocess.Popen(
                words or command(service, variables),
                cwd=ROOT,
                env=os.environ | {"DATABASE_URL": database_url()} | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        running.callback(stop, process)
        return process

    with ExitStack() as running:
        yield begin


def stop(process: Service) -> None:
    process.terminate()
    try:
        assert process.wait(STOP_S) == 0
    finally:
        kill_group(process.pid)


def get(port: int, path: str, password: str = "") -> int:
    """Return the status of a page; 0 if the port is closed."""
    headers = {"Authorization": f"Basic {b64encode(password.encode()).decode()}"}
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path, headers=headers if password else {})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_the_site_reports_ready_and_answers(start: Start, tmp_path: Path) -> None:
    [port] = free_ports(1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        start(
            "web",
            WEB_BIND=f"{LOOPBACK}:{port}",
            WEB_CONCURRENCY="1",
            NOTIFY_SOCKET=str(tmp_path / "notify"),
        )
        assert b"READY=1" in systemd.recv(1024)
    wait_until(lambda: get(port, "/healthz") == 200, "the site answers")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"ENVIRONMENT": "nowhere"}, "ENVIRONMENT is 'nowhere'. Write one of"),
        (
            {"ENVIRONMENT": "production", "DJANGO_SETTINGS_MODULE": "rs_systems.settings"},
            "ENVIRONMENT is production, and DJANGO_SETTINGS_MODULE is rs_systems.settings.",
        ),
        ({"AWS_SES_PORT": "70000"}, "AWS_SES_PORT is '70000'. Write a whole number"),
    ],
)
def test_a_site_with_wrong_settings_says_why_and_ends(
    tmp_path: Path, wrong: dict[str, str], why: str
) -> None:
    variables = {"WEB_BIND": f"{LOOPBACK}:0", "RUNTIME_DIRECTORY": str(tmp_path)}
    run = subprocess.run(
        command("web", variables),
        cwd=ROOT,
        env=os.environ | variables | wrong,
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )
    assert run.returncode == CANNOT_START
    assert why in run.stderr


def test_a_worker_answers_by_its_host_s_name(start: Start) -> None:
    worker = start("worker", CELERY_CONCURRENCY="1")
    name = f"worker@{platform.node()}"

    def answers() -> bool:
        assert worker.poll() is None
        with app.connection_for_read() as connection:
            return bool(app.control.inspect([name], 0.5, connection=connection, limit=1).ping())

    wait_until(answers, f"{name} answers")


def test_beat_keeps_its_files_in_the_folder_that_systemd_made(start: Start, tmp_path: Path) -> None:
    start("beat")
    wait_until(lambda: any(tmp_path.glob("beat-schedule*")), "beat writes its schedule")
    assert not list(ROOT.glob("celerybeat*"))


def test_flower_asks_for_the_password_of_the_environment(start: Start) -> None:
    [port] = free_ports(1)
    words = command("flower", {})
    words[words.index("--port=5555")] = f"--port={port}"
    start("flower", words, FLOWER_BASIC_AUTH=PASSWORD)
    wait_until(lambda: get(port, "/", PASSWORD) == 200, "Flower answers")
    assert get(port, "/") == get(port, "/api/workers") == get(port, "/", "somebody:else") == 401
    # This page has no password, so Flower listens on loopback only.
    assert get(port, "/metrics") == 200


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_flower_does_not_start_without_a_password(password: str) -> None:
    run = subprocess.run(
        command("flower", {}, "ExecStartPre"),
        cwd=ROOT,
        env=os.environ | {"FLOWER_BASIC_AUTH": password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode == 0) is bool(password)
    assert ("Set FLOWER_BASIC_AUTH" in run.stderr) is not bool(password)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"FLOWER_BASIC_AUTH": ""}, "Set FLOWER_BASIC_AUTH to user:password"),
        ({"FLOWER_BASIC_AUTH": "hunter2"}, "FLOWER_BASIC_AUTH has a wrong value"),
        ({"FLOWER_BASIC_AUTH": "hunter2:"}, "FLOWER_BASIC_AUTH has a wrong value"),
        ({"FLOWER_BASIC_AUTH": PASSWORD, "FLOWER_UNAUTHENTICATED_API": "true"}, "Unset FLOWER_UN"),
    ],
)
def test_flower_started_by_hand_does_not_start_open_outside_development(
    variables: dict[str, str], why: str
) -> None:
    run = subprocess.run(
        command("flower", {}),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ENV_FILE": os.devnull} | PRODUCTION | variables,
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )
    assert run.returncode == CANNOT_START
    assert why in run.stderr
    assert not variables["FLOWER_BASIC_AUTH"] or variables["FLOWER_BASIC_AUTH"] not in run.stderr


def test_flower_takes_its_password_from_the_secret(start: Start, manager: SecretsManager) -> None:
    manager.put(FLOWER_BASIC_AUTH=PASSWORD)
    [port] = free_ports(1)
    words = command("flower", {})
    words[words.index("--port=5555")] = f"--port={port}"
    start("flower", words, **manager.variables)
    wait_until(lambda: get(port, "/", PASSWORD) == 200, "Flower answers")
    assert get(port, "/") == get(port, "/", "somebody:else") == 401
