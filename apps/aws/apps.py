from django.apps import AppConfig


class AWSConfig(AppConfig):
    name = "apps.aws"
    verbose_name = "AWS account"

    def ready(self) -> None:
        # Register the kind that the round trip sends.
        from . import kinds  # noqa: F401
