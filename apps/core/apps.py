from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = "Notifications"

    def ready(self) -> None:
        # Registers the system checks, the tasks that wake-ups name, and the account's kinds.
        from . import checks, tasks  # noqa: F401
        from .message import account_kinds  # noqa: F401

        post_migrate.connect(_record_wordings, sender=self)


def _record_wordings(using: str, apps: Apps = installed, **_: Any) -> None:
    from .message import wording

    try:
        apps.get_model("core", "WordingVersion")
    except LookupError:
        # Migrated back to a time before there were versions.
        return
    wording.record_files(using)
