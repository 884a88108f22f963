"""Middleware that every request passes."""

import zoneinfo
from collections.abc import Callable

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from .views.health import healthz


class HealthCheckMiddleware:
    """Answers `/healthz` before anything looks at the host name or asks for HTTPS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return healthz(request) if request.path == "/healthz" else self.get_response(request)


class ReaderTimeZoneMiddleware:
    """Shows dates in the time zone of whoever is signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone(request)):
            return self.get_response(request)


def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    """The reader's zone; None, which is the site's own, where it is not known."""
    if not request.user.is_authenticated:
        return None
    try:
        return zoneinfo.ZoneInfo(request.user.contact.time_zone)
    except (ObjectDoesNotExist, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return None
