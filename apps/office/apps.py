from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OfficeConfig(AppConfig):
    name = "apps.office"
    verbose_name = "Office"

    def ready(self) -> None:
        from . import group, kinds  # noqa: F401  registers the kind

        post_migrate.connect(group.give_permissions, dispatch_uid="office-group")
