"""Reads the systemd units."""

import re
from collections import defaultdict

from tools.units import BIN, FOLDER

SERVICES = ("web", "worker", "housekeeping", "beat", "flower")

Settings = dict[str, list[str]]


def effective(service: str) -> Settings:
    """Return every value of each setting of a service, in order, the common ones included."""
    settings: Settings = defaultdict(list)
    unit = FOLDER / f"rs-systems-{service}.service"
    for path in (unit, *sorted((FOLDER / "rs-systems-.service.d").glob("*.conf"))):
        for line in re.sub(r"\\\n\s*", "", path.read_text()).splitlines():
            if "=" in line and not line.startswith("#"):
                name, value = line.split("=", maxsplit=1)
                settings[name].append(value)
    return settings


def command(service: str, variables: dict[str, str], setting: str = "ExecStart") -> list[str]:
    """Return ExecStart with this machine's programs and with the variables put in."""
    [line] = effective(service)[setting]
    line = line.replace("/var/www/rs_systems/venv/bin", str(BIN)).replace("%%", "%")
    return [re.sub(r"\$\{(\w+)\}", lambda name: variables[name[1]], word) for word in line.split()]
