"""Installs a lock file into .venv: with uv, or with pip if uv cannot be had or fails.

uv reads none of pip's settings, so those that say where packages come from are handed to it as
environment variables. Only the standard library is used, since nothing else is installed yet.
"""

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

UV = "uv==0.13.9"
PIP = [sys.executable, "-m", "pip"]
INSTALL = [*PIP, "install", "--disable-pip-version-check", "--no-input"]

#: The variable of uv for each setting of pip that says where packages are and how to get there.
VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
}


def main(lock: Path) -> int:
    started = time.monotonic()
    print(f"Installing {lock.name}: first uv, then the packages with it.", flush=True)
    if not install_with_uv(lock):
        print("uv did not install them; trying pip, which takes some minutes.", flush=True)
        if status := subprocess.run([*INSTALL, "-r", lock], check=False).returncode:
            return status
    print(f"Installed {lock.name} in {time.monotonic() - started:.0f} s.", flush=True)
    return 0


def install_with_uv(lock: Path) -> bool:
    """Install uv, then the lock file with it. Return False if either fails."""
    if subprocess.run([*INSTALL, "--quiet", UV], check=False).returncode:
        return False
    command = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    with subprocess.Popen(
        [*command, "-r", str(lock)],
        env=uv_settings(pip_settings()) | os.environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            # The lock file has the names and versions, so leave uv's list of them out.
            if not line.startswith((" + ", " - ", " ~ ")):
                print(line, end="", file=sys.stderr, flush=True)
    return process.returncode == 0


def pip_settings() -> dict[str, str]:
    """Return what pip's files and environment variables set for `pip install`."""
    command = [*PIP, "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    settings: dict[str, str] = {}
    # In the order in which pip lets one win over another.
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.*)$", listed, re.MULTILINE):
            settings[name.replace("_", "-")] = ast.literal_eval(value)
    return settings


def uv_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Translate pip's settings into the environment variables of uv."""
    variables = {
        variable: " ".join(settings[name].split())
        for name, variable in VARIABLES.items()
        if settings.get(name)
    }
    # As pip does, take the best version of all indexes, not that of the first with the name.
    return variables | {"UV_INDEX_STRATEGY": "unsafe-best-match"}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
