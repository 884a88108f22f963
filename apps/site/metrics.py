"""The metrics, for Prometheus alone: the request must have the token."""

from hmac import compare_digest

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from apps.core import scrape


@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Answer with all metrics if the request has the bearer token METRICS_TOKEN."""
    if not settings.METRICS_TOKEN:
        raise Http404("METRICS_TOKEN is not set")
    given = request.headers.get("Authorization", "")
    if not compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse(
            "a bearer token is needed\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return HttpResponse(scrape.exposition(), content_type=CONTENT_TYPE_LATEST)
