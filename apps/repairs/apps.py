from django.apps import AppConfig


class RepairsConfig(AppConfig):
    name = "apps.repairs"

    def ready(self) -> None:
        from apps.site import numbers as site_numbers
        from apps.site import sign_in

        from . import not_done, notifications, numbers  # noqa: F401  registers the kinds

        site_numbers.register(numbers.find)
        for view_name, clause in not_done.CLAUSES.items():
            sign_in.say_not_done(view_name, clause)
