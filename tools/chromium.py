"""Finds the Chromium of the browser tests; as a command, installs one if there is none."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Return the path of $CHROMIUM or of a Chromium on the PATH; None means Playwright's own."""
    if named := os.environ.get("CHROMIUM"):
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


def _is_there() -> bool:
    return bool(shutil.which(find() or _playwrights_own()))


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        packages = ["chromium", "fonts-liberation"]
        commands = [
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        ]
    else:
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    for command in commands:
        subprocess.run(command, check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def main() -> int:
    if not _is_there() and "CHROMIUM" not in os.environ:
        print("The browser tests need a Chromium; installing one.", flush=True)
        with suppress(OSError, subprocess.CalledProcessError):
            _install()
    if _is_there():
        return 0
    print(
        "There is no Chromium, and installing one failed. Install chromium or google-chrome, or set"
        " CHROMIUM to its path.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
