from django.apps import AppConfig


class RepairsConfig(AppConfig):
    name = "apps.repairs"

    def ready(self) -> None:
        from apps.core.message import people
        from apps.site import numbers as site_numbers

        from . import directory, groups, kinds, numbers, subjects  # noqa: F401  registers the kinds

        people.register_groups(groups.of_people)
        site_numbers.register(numbers.find)
        subjects.register()
        directory.register()
