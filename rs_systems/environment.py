"""Read the environment's variables, and choose the settings module.

First wins: the process's own variables, `.env` (or the file that ENV_FILE names),
`.env.<environment>`, the secret that AWS_SECRETS_NAME names.
"""

import os
import re
from decimal import Decimal
from pathlib import Path

from dotenv import load_dotenv
from environs import Env, EnvError

from .refusal import refuse

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("development", "staging", "production")

env = Env()


@env.parser_for("prices")
def prices(value: str) -> dict[str, Decimal]:
    """Parse US dollars by country, as in `US=0.00645,GB=0.04`. Raise EnvError for anything else."""
    found: dict[str, Decimal] = {}
    for item in filter(None, value.split(",")):
        entry = re.fullmatch(r"\s*([A-Z]{2})\s*=\s*([0-9]+(?:\.[0-9]+)?)\s*", item)
        if entry is None or entry[1] in found:
            raise EnvError(f"write each country once, as in US=0.00645,GB=0.04; not {item!r}.")
        found[entry[1]] = Decimal(entry[2])
    return found


@env.parser_for("seconds")
def seconds(value: str) -> dict[str, int]:
    """Parse seconds by rule, as in `600,sms=300,sms:urgent=60`. Raise EnvError for anything else.

    The number without a name applies to every rule that is not named.
    """
    found: dict[str, int] = {}
    for item in value.split(","):
        entry = re.fullmatch(r"\s*(?:([a-z:]+)\s*=)?\s*([1-9][0-9]{0,7})\s*", item)
        name = (entry[1] or "") if entry else ""
        if entry is None or name in found:
            raise EnvError(f"write each rule once, as in 600,sms:urgent=60; not {item!r}.")
        found[name] = int(entry[2])
    if "" not in found:
        raise EnvError("begin with the seconds for all other rules, as in 600,sms=300.")
    return found


@env.parser_for("redis_url")
def redis_url(value: str) -> str:
    """Return the URL in the form that both redis-py and Celery accept.

    Celery's manual writes ssl_cert_reqs=CERT_REQUIRED, and redis-py refuses that.
    """
    return re.sub(r"(?<=ssl_cert_reqs=)CERT_\w+", lambda found: found[0][5:].lower(), value)


def load() -> str:
    """Read the files and the secret into `os.environ`, and return the environment's name."""
    _read(os.environ.get("ENV_FILE", ".env"))
    name = os.environ.setdefault("ENVIRONMENT", _implied_environment())
    if name not in ENVIRONMENTS:
        refuse(f"ENVIRONMENT is {name!r}; it must be one of {', '.join(ENVIRONMENTS)}.")
    _read(f".env.{name}")
    if _has_secret():
        from . import secret

        secret.load()
    return name


def configure() -> None:
    """Choose the settings module, unless DJANGO_SETTINGS_MODULE is set, and watch the secret."""
    aws = load() != "development"
    module = "rs_systems.settings_aws" if aws else "rs_systems.settings"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", module)
    if _has_secret():
        from . import rotation

        rotation.watch()


def _has_secret() -> bool:
    return bool(os.environ.get("AWS_SECRETS_NAME"))


def _implied_environment() -> str:
    aws = os.environ.get("DJANGO_SETTINGS_MODULE") == "rs_systems.settings_aws"
    return "production" if aws or env.bool("USE_AWS_DB", False) else "development"


def _read(name: str) -> None:
    # Into os.environ, because boto3 reads its own variables there.
    load_dotenv(BASE_DIR / name, override=False)
