from django.apps import AppConfig


class OfficeConfig(AppConfig):
    name = "apps.office"
    verbose_name = "Office"

    def ready(self) -> None:
        from . import kinds  # noqa: F401  registers the kind
