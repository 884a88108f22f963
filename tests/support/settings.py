"""Run code in a process of its own, with chosen environment variables."""

import json
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
    "DATABASE_URL": "postgres://rs:secret@db.example:5432/rs?sslmode=require",
    "CELERY_BROKER_URL": "rediss://cache.example:6379/0",
    "AWS_SES_SMTP_USER": "user",
    "AWS_SES_SMTP_PASSWORD": "password",
}
PRINT = """
import json, sys
from django.conf import settings
print(json.dumps([getattr(settings, name) for name in sys.argv[1:]], default=str))
"""


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables only, without a .env file."""
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


def setting(name: str, **variables: str) -> object:
    result = run(PRINT, name, **variables)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)[0]
