"""The systemd units."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from django.conf import settings

from apps.core import tasks
from tests.support.unit_files import SERVICES, effective
from tools import units

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="it takes systemd; `make check` says how to get it"
)


def seconds(service: str, setting: str) -> int:
    [value] = effective(service)[setting]
    return int(value)


@needs_systemd
def test_systemd_accepts_the_units() -> None:
    assert units.complaints() == ""


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("RestartSec=5", "RestarSec=5", "Unknown key 'RestarSec'"),
        ("Restart=always", "Restart=allways", "Failed to parse"),
        ("CapabilityBoundingSet=\n", "", "Overall exposure level"),
    ],
)
def test_a_mistake_in_the_shared_settings_is_found(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    shutil.copytree(units.FOLDER, tmp_path, dirs_exist_ok=True)
    common = tmp_path / "rs-systems-.service.d" / "common.conf"
    text = common.read_text()
    assert right in text
    common.write_text(text.replace(right, wrong))
    assert complaint in units.complaints(tmp_path)


def test_a_machine_without_systemd_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert units.main() == 1
    assert "apt install systemd" in capsys.readouterr().err


def test_on_macos_the_check_says_that_nothing_was_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert units.main() == 0
    assert "were not checked" in capsys.readouterr().out


def test_every_queue_has_a_service_that_reads_it() -> None:
    read = {
        word.partition("=")[2]
        for service in ("worker", "housekeeping")
        for word in effective(service)["ExecStart"][0].split()
        if word.startswith("--queues=")
    }
    assert read == {queue.name for queue in settings.CELERY_TASK_QUEUES}
    # It starts with the worker, so an upgraded host cannot be without it.
    assert effective("worker")["Wants"][0] == "rs-systems-housekeeping.service"


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_waits_for_a_fork(service: str) -> None:
    assert effective(service)["Type"] == ["notify" if service == "web" else "exec"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_restarts_forever(service: str) -> None:
    assert effective(service)["Restart"] == ["always"]
    assert effective(service)["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_stop_reaches_only_the_main_process(service: str) -> None:
    assert effective(service)["KillMode"] == ["mixed"]


@pytest.mark.parametrize("service", ["worker", "housekeeping"])
def test_a_worker_has_time_to_finish_the_longest_task(service: str) -> None:
    stop = seconds(service, "TimeoutStopSec")
    assert stop > settings.CELERY_TASK_TIME_LIMIT
    assert stop > tasks.HARD_LIMIT_S


def test_the_site_has_time_to_finish_its_requests() -> None:
    [start] = effective("web")["ExecStart"]
    [graceful] = [word for word in start.split() if word.startswith("--graceful-timeout=")]
    assert seconds("web", "TimeoutStopSec") > int(graceful.partition("=")[2])


def test_no_service_removes_the_semaphores_of_the_others() -> None:
    for service in SERVICES:
        assert "RemoveIPC" not in effective(service)


def test_the_specification_s_service_names_are_aliases() -> None:
    assert effective("worker")["Alias"] == ["celery-worker.service"]
    assert effective("beat")["Alias"] == ["celery-beat.service"]


def test_flower_listens_on_loopback_only() -> None:
    [start] = effective("flower")["ExecStart"]
    assert "--address=127.0.0.1" in start.split()


@pytest.mark.parametrize("service", SERVICES)
def test_no_command_line_has_a_password(service: str) -> None:
    """Everyone on the machine reads the command lines; the environment is its owner's alone."""
    for setting in ("ExecStart", "ExecStartPre"):
        for line in effective(service).get(setting, []):
            assert not re.search(r"://|basic.?auth=|passw|secret|token", line, re.IGNORECASE)
