from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = "Notifications"

    def ready(self) -> None:
        # Registers the system checks, and the tasks that wake-ups name.
        from . import checks, tasks  # noqa: F401
