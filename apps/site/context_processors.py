"""Template variables of every page."""

from django.conf import settings
from django.http import HttpRequest

from . import brand


def shell(request: HttpRequest) -> dict[str, object]:
    """Return the brand and the environment's name."""
    return {"brand": brand.shown(), "environment": settings.ENVIRONMENT}
