"""Middleware that every request passes."""

import codecs
import logging
import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone

from .health import healthz

logger = logging.getLogger(__name__)


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


class UnreadableRequestMiddleware:
    """Refuses with a 400 what Django fails to read wherever it first looks, its reports included.

    The body's fields are not looked at: too many of them Django refuses by itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if why := _unreadable(request):
            logger.warning("request refused, %s: %r", why, request.path)
            return HttpResponseBadRequest(f"refused: {why}\n", content_type="text/plain")
        return self.get_response(request)


def _unreadable(request: HttpRequest) -> str:
    """Why the parameters cannot be read; empty where they can."""
    # Django takes whatever Python has a codec for, which need not be one of text.
    if codecs.lookup(request.encoding or "utf-8").name != "utf-8":
        return "it is not in UTF-8"
    try:
        len(request.GET)
    except TooManyFieldsSent:
        return "it has too many parameters"
    return ""


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
