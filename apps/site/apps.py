from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class SiteConfig(AppConfig):
    name = "apps.site"
    verbose_name = "Site"

    def ready(self) -> None:
        from . import throttle

        throttle.connect()


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin with our site."""

    default = False
    default_site = "apps.site.admin_site.Site"
