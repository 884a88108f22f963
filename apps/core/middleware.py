"""Middleware that every request passes."""

import zoneinfo
from collections.abc import Callable

from django.conf import settings
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


class ContentSecurityPolicyMiddleware:
    """Tells browsers to run and to load what this site serves as files, and nothing else."""

    POLICY = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's pages for whoever debugs, which DEBUG alone shows, are styled inline.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            # A view that has a policy of its own keeps it.
            response.setdefault("Content-Security-Policy", self.POLICY)
        return response


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
