from django.apps import AppConfig


class RepairsConfig(AppConfig):
    name = "apps.repairs"

    def ready(self) -> None:
        from apps.core.message import people
        from apps.site import numbers as site_numbers

        from . import groups, kinds, numbers  # noqa: F401  registers the kinds

        people.register_groups(groups.of_people)
        site_numbers.register(numbers.find)
