"""The systemd units: as systemd sees them, and what would hurt if it slipped."""

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
def test_systemd_has_no_complaint() -> None:
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
def test_a_slip_in_what_the_services_have_in_common_is_found(
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


def test_a_machine_that_cannot_have_systemd_hears_that_nothing_was_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert units.main() == 0
    assert "were not checked" in capsys.readouterr().out


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_waits_for_a_fork_that_never_comes(service: str) -> None:
    assert effective(service)["Type"] == ["notify" if service == "web" else "exec"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_started_again_for_ever(service: str) -> None:
    assert effective(service)["Restart"] == ["always"]
    assert effective(service)["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_stop_reaches_the_main_process_alone(service: str) -> None:
    assert effective(service)["KillMode"] == ["mixed"]


def test_a_worker_has_the_time_to_end_the_longest_task() -> None:
    stop = seconds("worker", "TimeoutStopSec")
    assert stop > settings.CELERY_TASK_TIME_LIMIT
    assert stop > tasks.HARD_LIMIT_S


def test_the_site_has_the_time_to_end_its_requests() -> None:
    [start] = effective("web")["ExecStart"]
    [graceful] = [word for word in start.split() if word.startswith("--graceful-timeout=")]
    assert seconds("web", "TimeoutStopSec") > int(graceful.partition("=")[2])


def test_no_service_takes_the_semaphores_of_the_others_with_it() -> None:
    for service in SERVICES:
        assert "RemoveIPC" not in effective(service)


def test_the_names_of_the_specification_lead_to_the_same_services() -> None:
    assert effective("worker")["Alias"] == ["celery-worker.service"]
    assert effective("beat")["Alias"] == ["celery-beat.service"]


def test_flower_listens_on_this_host_alone() -> None:
    [start] = effective("flower")["ExecStart"]
    assert "--address=127.0.0.1" in start.split()
