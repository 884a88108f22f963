"""The environment of the other contestants, made by uv when it is missing or out of date."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tools.install import UV, pip_settings, uv_settings

FOLDER = Path(__file__).parent
VENV = FOLDER / ".venv"
BIN = VENV / "bin"
LOCK = FOLDER / "requirements.txt"
#: The lock file's text that was installed last.
INSTALLED = VENV / "installed.txt"


def make() -> None:
    """Make the environment; raise CalledProcessError if uv cannot, and end if there is no uv."""
    if INSTALLED.exists() and INSTALLED.read_text() == LOCK.read_text():
        return
    if not importlib.util.find_spec("uv"):
        sys.exit(f"uv is needed for the other contestants; install it: pip install {UV}")
    print(f"Making {VENV.relative_to(FOLDER.parent)} for the other contestants.", file=sys.stderr)
    uv = [sys.executable, "-m", "uv"]
    settings = uv_settings(pip_settings()) | os.environ
    subprocess.run(
        [*uv, "venv", "--quiet", "--clear", f"--python={sys.executable}", VENV],
        env=settings,
        check=True,
    )
    subprocess.run(
        [*uv, "pip", "install", "--quiet", f"--python={BIN / 'python'}", "-r", LOCK],
        env=settings,
        check=True,
    )
    INSTALLED.write_text(LOCK.read_text())
