from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = "Notifications"

    def ready(self) -> None:
        # Registers the system checks, the tasks that wake-ups name, and the account's kinds.
        from . import checks, tasks  # noqa: F401
        from .message import account_kinds  # noqa: F401
