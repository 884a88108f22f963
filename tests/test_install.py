"""Installing a lock file, in virtual environments and from packages of the tests' own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tools.install import uv_settings
from tools.supervisor import ROOT

pytestmark = pytest.mark.services


_numbers = count(1)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a virtual environment with pip alone."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def uv(environment: Path) -> Iterator[None]:
    """Our own uv in that environment, as if it had been installed there."""
    [site] = environment.parent.parent.glob("lib/*/site-packages")
    ours = Path(sysconfig.get_path("purelib"))
    links = {site / part.name: part for part in [*ours.glob("uv"), *ours.glob("uv-*.dist-info")]}
    links[environment.parent / "uv"] = Path(sysconfig.get_path("scripts")) / "uv"
    for link, target in links.items():
        link.symlink_to(target)
    yield
    for link in links:
        link.unlink()


@pytest.fixture
def package(tmp_path: Path) -> str:
    """Return the name of a package, whose version 1.0 is in the folder `packages`."""
    name = f"tiny{next(_numbers)}"
    (tmp_path / "packages").mkdir()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "packages" / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return name


def install(python: Path, folder: Path, lock: str) -> "subprocess.CompletedProcess[str]":
    """Install a lock file. Only pip's own settings say where the packages are."""
    path = folder / "requirements-try.txt"
    path.write_text(lock + "\n")
    index = folder / "index"
    index.mkdir()
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index.as_uri(),
        "PIP_FIND_LINKS": str(folder / "packages"),
    }
    return subprocess.run(
        [python, ROOT / "tools" / "install.py", path],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def has(python: Path, package: str) -> bool:
    return subprocess.run([python, "-c", f"import {package}"], check=False).returncode == 0


@pytest.mark.usefixtures("uv")
def test_uv_finds_the_packages_where_pip_would(
    environment: Path, package: str, tmp_path: Path
) -> None:
    ended = install(environment, tmp_path, f"{package}==1.0")
    assert ended.returncode == 0, ended.stderr
    assert "trying pip" not in ended.stdout
    assert has(environment, package)


def test_pip_installs_the_packages_if_uv_cannot_be_had(
    environment: Path, package: str, tmp_path: Path
) -> None:
    ended = install(environment, tmp_path, f"{package}==1.0")
    assert ended.returncode == 0, ended.stderr
    assert "trying pip" in ended.stdout
    assert has(environment, package)


def test_a_package_that_does_not_exist_fails_the_set_up(
    environment: Path, package: str, tmp_path: Path
) -> None:
    ended = install(environment, tmp_path, f"{package}==2.0")
    assert ended.returncode == 1
    assert f"No matching distribution found for {package}==2.0" in ended.stderr
    assert "Installed" not in ended.stdout


def test_pips_settings_become_those_of_uv() -> None:
    settings = {
        "index-url": "https://packages.example/simple",
        "extra-index-url": "https://more.example/simple\nhttps://other.example/simple",
        "cert": "/etc/ssl/own.pem",
        "disable-pip-version-check": "1",
    }
    assert uv_settings(settings) == {
        "UV_DEFAULT_INDEX": "https://packages.example/simple",
        "UV_INDEX": "https://more.example/simple https://other.example/simple",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with our Makefile and lock files, and a Python that notes its arguments."""
    for path in (ROOT / "Makefile", *ROOT.glob("requirements*.txt")):
        shutil.copy(path, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "calls"}\n')
    python.chmod(0o755)
    return tmp_path


def installs(project: Path, target: str) -> list[str]:
    """Make the target, and return the lock files that were installed for it."""
    calls = project / "calls"
    calls.write_text("")
    command = ["make", "--silent", f"PYTHON={project / '.venv/bin/python'}", target]
    # Without the variables with which the make around this test passes its options on.
    alone = {"PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=project, env=alone, check=True, timeout=60)
    script = "tools/install.py "
    return [line.removeprefix(script) for line in calls.read_text().splitlines() if script in line]


def make_newer(lock: Path) -> None:
    later = time.time() + 60
    os.utime(lock, (later, later))


def test_each_command_installs_what_it_needs_once(project: Path) -> None:
    assert installs(project, "run") == ["requirements-run.txt"]
    assert installs(project, "run") == []
    assert installs(project, "chaos") == ["requirements-dev.txt"]
    assert installs(project, "run") == installs(project, "chaos") == []


def test_a_changed_lock_file_is_installed_by_the_next_command(project: Path) -> None:
    installs(project, "chaos")
    make_newer(project / "requirements-run.txt")
    assert installs(project, "run") == ["requirements-run.txt"]
    make_newer(project / "requirements-dev.txt")
    assert installs(project, "chaos") == ["requirements-dev.txt"]


def test_each_lock_file_has_the_versions_of_the_smaller_one() -> None:
    production, run, development = (
        set((ROOT / f"requirements{name}.txt").read_text().splitlines())
        for name in ("", "-run", "-dev")
    )
    assert production <= run <= development, "run `make lock`"
