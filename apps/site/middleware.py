"""The middleware of this site."""

import codecs
import logging
import re
import zoneinfo
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from .health import healthz

logger = logging.getLogger(__name__)


class RequestIdMiddleware:
    """Give each request an id: in all its log entries, its wake-ups and its response.

    A proxy may have given it one, in X-Request-ID.
    """

    SANE = re.compile(r"[A-Za-z0-9-]{8,64}")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if self.SANE.fullmatch(given) else uuid4().hex
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class HealthCheckMiddleware:
    """Answer `/healthz` before Django checks the host name or redirects to HTTPS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return healthz(request) if request.path == "/healthz" else self.get_response(request)


class ContentSecurityPolicyMiddleware:
    """Allow browsers to run and load only files of this site."""

    POLICY = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's debug pages have inline styles.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            # A view may set its own policy.
            response.setdefault("Content-Security-Policy", self.POLICY)
        return response


class PrivatePageMiddleware:
    """Forbid browsers to keep a page, unless its view says how long.

    Otherwise the back button shows a page as it was before an action, or after signing out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Cache-Control", "no-store, private")
        return response


class UnreadableRequestMiddleware:
    """Answer 400 if Django cannot read the query string or the encoding.

    Otherwise Django fails at the first access, and again in its own error report. It already
    refuses a body with too many fields by itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if why := _unreadable(request):
            logger.warning("request refused, %s: %r", why, request.path)
            return HttpResponseBadRequest(f"refused: {why}\n", content_type="text/plain")
        return self.get_response(request)


def _unreadable(request: HttpRequest) -> str:
    """Return why the request cannot be read, or "" if it can."""
    # Django accepts every Python codec, also those that are not for text.
    if codecs.lookup(request.encoding or "utf-8").name != "utf-8":
        return "it is not in UTF-8"
    try:
        len(request.GET)
    except TooManyFieldsSent:
        return "it has too many parameters"
    return ""


class ReaderTimeZoneMiddleware:
    """Show dates in the signed-in user's time zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone(request)):
            return self.get_response(request)


def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    """Return the user's time zone, or None (the site's own) if it is not known."""
    if not request.user.is_authenticated:
        return None
    try:
        return zoneinfo.ZoneInfo(request.user.contact.time_zone)
    except (ObjectDoesNotExist, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return None
