from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers the system checks
