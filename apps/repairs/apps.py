from django.apps import AppConfig


class RepairsConfig(AppConfig):
    name = "apps.repairs"

    def ready(self) -> None:
        from apps.site import numbers as site_numbers

        from . import directory, notifications, numbers, subjects  # noqa: F401  registers the kinds

        site_numbers.register(numbers.find)
        subjects.register()
        directory.register()
