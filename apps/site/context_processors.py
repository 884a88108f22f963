"""Template variables of every page."""

from django.conf import settings
from django.http import HttpRequest

from apps.core.message import rendering


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the brand and the environment's name."""
    return {"brand": rendering.brand(), "environment": settings.ENVIRONMENT}
