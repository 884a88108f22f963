from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = "Notifications"

    def ready(self) -> None:
        # Registers the system checks, and this app's own kinds.
        from . import checks, own_kinds  # noqa: F401
