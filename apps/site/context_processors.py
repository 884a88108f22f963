"""Template variables of every page."""

from django.conf import settings
from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the brand (`name`, `accent`) and the environment's name."""
    return {
        "brand": {"name": settings.BRAND_NAME, "accent": settings.BRAND_ACCENT},
        "environment": settings.ENVIRONMENT,
    }
