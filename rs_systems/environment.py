"""Read the environment's variables, and choose the settings module.

First wins: the process's own variables, `.env` (or the file that ENV_FILE names),
`.env.<environment>`, the secret that AWS_SECRETS_NAME names.
"""

import os

from dotenv import load_dotenv

from . import variables
from .refusal import refuse

ENVIRONMENTS = ("development", "staging", "production")
DEVELOPMENT, DEPLOYED = "rs_systems.settings", "rs_systems.settings_aws"


def load() -> str:
    """Read the files and the secret into `os.environ`, and return the environment's name."""
    _read(os.environ.get("ENV_FILE", ".env"))
    name = os.environ.setdefault("ENVIRONMENT", _implied_environment())
    if name not in ENVIRONMENTS:
        refuse(f"ENVIRONMENT is {name!r}. Write one of {', '.join(ENVIRONMENTS)}.")
    _read(f".env.{name}")
    if _has_secret():
        if problems := [*variables.endpoint_problems(name)]:
            refuse("\n".join(problems))
        from . import secret

        secret.load()
    return name


def configure() -> None:
    """Choose the settings module, unless DJANGO_SETTINGS_MODULE is set, and watch the secret."""
    module = DEVELOPMENT if load() == "development" else DEPLOYED
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", module)
    if _has_secret():
        from . import rotation

        rotation.watch()


def check_settings_module(name: str) -> None:
    """End the process if the settings module is the other environment's.

    Each program may set DJANGO_SETTINGS_MODULE by itself, and development's settings show every
    visitor the code and variables of a failed request.
    """
    module = os.environ.get("DJANGO_SETTINGS_MODULE")
    wrong = DEPLOYED if name == "development" else DEVELOPMENT
    if module == wrong:
        refuse(
            f"ENVIRONMENT is {name}, and DJANGO_SETTINGS_MODULE is {module}. Unset "
            "DJANGO_SETTINGS_MODULE: ENVIRONMENT chooses the settings."
        )


def _has_secret() -> bool:
    return bool(os.environ.get("AWS_SECRETS_NAME"))


def _implied_environment() -> str:
    try:
        uses_aws = variables.flag(os.environ.get("USE_AWS_DB", ""))
    except ValueError as advice:
        refuse(f"USE_AWS_DB is {os.environ['USE_AWS_DB']!r}. {advice}")
    is_aws = uses_aws or os.environ.get("DJANGO_SETTINGS_MODULE") == DEPLOYED
    return "production" if is_aws else "development"


def _read(name: str) -> None:
    # Into os.environ, because boto3 reads its own variables there.
    load_dotenv(variables.BASE_DIR / name, override=False)
