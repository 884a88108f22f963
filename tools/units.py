"""Checks deploy/systemd/ with systemd-analyze: no complaint, and little exposure."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tools.supervisor import ROOT

FOLDER = ROOT / "deploy" / "systemd"
BIN = Path(sys.executable).parent
#: What to check in place of the paths and users that this machine does not have.
STAND_INS = {
    "/var/www/rs_systems/venv/bin": str(BIN),
    "WorkingDirectory=/var/www/rs_systems": f"WorkingDirectory={ROOT}",
    "User=django": "User=root",
    "Group=django": "Group=root",
}
#: The most that `systemd-analyze security` may find, of 100. An unprotected service has 96.
EXPOSURE_LIMIT = 25
NEEDED = (
    "The units in deploy/systemd/ cannot be checked without systemd-analyze. On Debian and Ubuntu:"
    " apt install systemd"
)


def complaints(folder: Path = FOLDER) -> str:
    """Return what systemd-analyze says against the units of a folder, or an empty text.

    All output of `verify` counts, since it ends with 0 even after an unknown key.
    """
    with tempfile.TemporaryDirectory() as copies:
        units = _copies(folder, Path(copies))
        services = [unit for unit in units if unit.suffix == ".service"]
        return _verify(units) + "".join(map(_exposure, services))


def _copies(folder: Path, target: Path) -> list[Path]:
    """Copy everything, put the stand-ins in, and return the units."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    for path in (*target.glob("*.service"), *target.glob("*.service.d/*.conf")):
        text = path.read_text()
        for name, stand_in in STAND_INS.items():
            text = text.replace(name, stand_in)
        path.write_text(text)
    return sorted((*target.glob("*.service"), *target.glob("*.target")))


def _verify(units: list[Path]) -> str:
    return _analyze("verify", "--man=no", *map(str, units)).stderr


def _exposure(service: Path) -> str:
    found = _analyze("security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", str(service))
    return "" if found.returncode == 0 else found.stdout + found.stderr


def _analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "systemd"]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, check=True, env=quiet)


def main() -> int:
    if sys.platform != "linux":
        print("The units in deploy/systemd/ were not checked: that needs Linux with systemd.")
        return 0
    if not shutil.which("systemd-analyze"):
        with suppress(OSError, subprocess.CalledProcessError):
            _install()
    if not shutil.which("systemd-analyze"):
        print(NEEDED, file=sys.stderr)
        return 1
    found = complaints()
    print(found, end="", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
