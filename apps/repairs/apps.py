from django.apps import AppConfig


class RepairsConfig(AppConfig):
    name = "apps.repairs"

    def ready(self) -> None:
        from apps.core.message import people
        from apps.site import numbers as site_numbers
        from apps.site import sign_in

        # `kinds` registers itself.
        from . import directory, groups, kinds, not_done, numbers, subjects, things  # noqa: F401

        people.register_groups(groups.of_people)
        site_numbers.register(numbers.find)
        subjects.register()
        things.register()
        directory.register()
        for view_name, clause in not_done.CLAUSES.items():
            sign_in.say_not_done(view_name, clause)
