"""The middleware of this site."""

import codecs
import logging
import re
import zoneinfo
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone, translation
from django.utils.log import log_response
from structlog.contextvars import bound_contextvars

from apps.core.models import Contact

from . import health

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
            if response.status_code >= 400:
                # Django logs it after all middleware: without the id.
                log_response(
                    "%s: %s",
                    response.reason_phrase,
                    request.path,
                    response=response,
                    request=request,
                )
        response["X-Request-ID"] = request_id
        return response


class HealthCheckMiddleware:
    """Answer the paths of health.py before Django checks the host name or redirects to HTTPS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return health.PATHS.get(request.path, self.get_response)(request)


class ContentSecurityPolicyMiddleware:
    """Allow browsers to run and load only files of this site."""

    POLICY = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; worker-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    #: The admin's look (django-unfold) has styles in its pages, fonts of its own, and Alpine.js,
    #: which compiles the expressions in its attributes.
    ADMIN_POLICY = (
        POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'").replace(
            "style-src 'self'", "style-src 'self' 'unsafe-inline'"
        )
        + "; font-src 'self'"
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's debug pages have inline styles.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            # A view may set its own policy.
            policy = self.ADMIN_POLICY if _is_of_admin(request) else self.POLICY
            response.setdefault("Content-Security-Policy", policy)
        return response


def _is_of_admin(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and "admin" in match.app_names


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
        values = dict(request.GET.lists())
    except TooManyFieldsSent:
        return "it has too many parameters"
    # PostgreSQL takes none, and the admin's filters ask it for whatever is given.
    if any("\0" in value for each in values.values() for value in each):
        return "it has a NUL character"
    return ""


class ReaderMiddleware:
    """Show each page in the reader's language and time zone; staff pages are in English."""

    #: The names of URL configurations whose pages are not translated.
    UNTRANSLATED = frozenset({"admin", "office", "sandbox"})

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        contact = _contact(request)
        with timezone.override(_zone(contact)), translation.override(_language(request, contact)):
            return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        match = request.resolver_match
        if match and self.UNTRANSLATED.intersection(match.app_names):
            translation.activate(settings.LANGUAGE_CODE)


def _contact(request: HttpRequest) -> Contact | None:
    if not request.user.is_authenticated:
        return None
    try:
        return request.user.contact
    except ObjectDoesNotExist:
        return None


def _zone(contact: Contact | None) -> zoneinfo.ZoneInfo | None:
    """Return the person's time zone, or None (the site's own) if it is not known."""
    try:
        return zoneinfo.ZoneInfo(contact.time_zone) if contact else None
    except (ValueError, zoneinfo.ZoneInfoNotFoundError):
        return None


def _language(request: HttpRequest, contact: Contact | None) -> str:
    """Return the language that the person chose, or else the best one that the browser names."""
    try:
        return translation.get_supported_language_variant(contact.language if contact else "")
    except LookupError:
        return translation.get_language_from_request(request)
