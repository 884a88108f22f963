"""The settings of production, without TLS: no contestant has it."""

from rs_systems.settings import *  # noqa: F403
from rs_systems.settings import INSTALLED_APPS as _APPS

DEBUG = False
INSTALLED_APPS = [
    *(app for app in _APPS if app not in ("apps.demo", "sandbox.inbox")),
    "benchmarks.ours.apps.OursConfig",
]
