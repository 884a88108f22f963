"""Python in a process of its own, which reads the settings from the variables of one test."""

import os
import subprocess
import sys

from tools.supervisor import ROOT

#: The least that production starts with.
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k9$Zp2-vX7qLw4mT8rB1nC6yH3sJ5dF0gAeUiOoPzQxWcVbNmMlKkJhGfDs",
    "ALLOWED_HOSTS": "app.rssystems.com",
    "SITE_URL": "https://app.rssystems.com",
    "DATABASE_URL": "postgres://rs:secret@db.example:5432/rs",
    "CELERY_BROKER_URL": "rediss://cache.example:6379/0",
    "AWS_SES_SMTP_USER": "user",
    "AWS_SES_SMTP_PASSWORD": "password",
}


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables alone, in a folder that has no .env."""
    names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    prefix = "from rs_systems import environment; environment.configure()\n"
    return subprocess.run(
        [sys.executable, "-c", prefix + code, *arguments],
        env=inherited | {"ENV_FILE": os.devnull} | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
