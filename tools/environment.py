"""The ports and environment variables of a `make run`, and when it may not start."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values

from tools.endpoints import endpoints
from tools.processes import LOOPBACK, port_is_free
from tools.supervisor import ROOT, Trouble

PORTS = {
    "PORT_WEB": 8000,
    "PORT_FLOWER": 5555,
    "PORT_SMTP": 2525,
    "PORT_AWS": 9912,
    "PORT_SANDBOX": 9911,
    "PORT_REDIS": 6390,
}


def read_ports() -> dict[str, int]:
    """Return the port of each variable of PORTS, from the environment or its default."""
    ports: dict[str, int] = {}
    for variable, default in PORTS.items():
        text = os.environ.get(variable, str(default))
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise Trouble(f"{variable} is {text!r}; it must be a number from 1 to 65535.")
        if int(text) in ports.values():
            raise Trouble(f"{variable} is {text}, which another port has already; choose another.")
        ports[variable] = int(text)
    return ports


def refuse_taken(ports: dict[str, int]) -> None:
    """Raise Trouble if ports are in use; name all of them and propose others."""
    taken = {variable: port for variable, port in ports.items() if not port_is_free(port)}
    if not taken:
        return
    named = " and ".join(
        f"{port} ({variable.removeprefix('PORT_').lower()})" for variable, port in taken.items()
    )
    other = " ".join(f"{variable}={_another(port, ports)}" for variable, port in taken.items())
    noun, verb, them = ("port", "is", "it") if len(taken) == 1 else ("ports", "are", "them")
    raise Trouble(
        f"{noun} {named} {verb} in use, perhaps by another `make run`: stop what uses {them},"
        f" or choose another, as in `make run {other}`."
    )


def _another(port: int, ports: dict[str, int]) -> int:
    candidates = range(port + 100, 65536, 100)
    free = (each for each in candidates if each not in ports.values() and port_is_free(each))
    return next(free, port)


def refuse_other_environments() -> None:
    """Raise Trouble if this machine is set up for staging or production.

    The demo must not be written into such a database, nor its deliveries go to the sandbox.
    """
    file = Path(os.environ.get("ENV_FILE", ".env"))
    named = os.environ.get("ENVIRONMENT") or dotenv_values(ROOT / file).get("ENVIRONMENT")
    if named and named != "development":
        raise Trouble(
            f"ENVIRONMENT is {named}, in the environment or in {file}; the demo is for development"
            " only. Unset it, or set ENVIRONMENT=development and a DATABASE_URL of its own."
        )


def build_environment(base: Mapping[str, str], ports: dict[str, int], var: Path) -> dict[str, str]:
    """Return the environment of every process: `base`, and where each finds the others."""
    environment = {**base} | {variable: str(port) for variable, port in ports.items()}
    if var != ROOT / "var":
        environment.setdefault("DATABASE_URL", f"sqlite:///{quote(str(var))}/db.sqlite3")
    return environment | {
        # Even if a `.env` says staging, the demo must not be written there.
        "ENVIRONMENT": "development",
        "DJANGO_SETTINGS_MODULE": "rs_systems.settings",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "VAR_DIR": str(var),
        "SITE_URL": f"http://localhost:{ports['PORT_WEB']}",
        "CELERY_BROKER_URL": f"redis://{LOOPBACK}:{ports['PORT_REDIS']}/0",
        # The sandbox's, even if a `.env` has those of a real account.
        "AWS_SES_HOST": LOOPBACK,
        "AWS_SES_PORT": str(ports["PORT_SMTP"]),
        "AWS_SES_TLS": "none",
        "AWS_SES_SMTP_USER": "SANDBOXSMTPUSER00001",
        "AWS_SES_SMTP_PASSWORD": "sandbox-password",
        **endpoints(f"http://{LOOPBACK}:{ports['PORT_AWS']}"),
        "SANDBOX_EVENTS_URL": f"http://localhost:{ports['PORT_WEB']}/webhooks/aws/sns",
        "SANDBOX_URL": f"http://{LOOPBACK}:{ports['PORT_SANDBOX']}",
    }


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Write the file with which a manage.py command works on this run's database and Redis.

    Use it as `ENV_FILE=<path> python manage.py …`.
    """
    # Another shell does not have what the person set in this one for this run.
    chosen = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    ours = {
        name: value
        for name, value in environment.items()
        if name in chosen or os.environ.get(name) != value
    }
    lines = [f"{name}={value}" for name, value in ours.items() if name not in ("PATH", "ENV_FILE")]
    path.write_text("\n".join(sorted(lines)) + "\n")
