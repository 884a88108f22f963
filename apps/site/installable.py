"""What lets people put the site on the home screen of a phone: manifest, worker, offline page."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from apps.core.message import brand

BAND, GROUND = "#14191d", "#ebedea"


@require_safe
@cache_control(public=True, max_age=3600)
def manifest(request: HttpRequest) -> JsonResponse:
    """Return the web app manifest: https://www.w3.org/TR/appmanifest/."""
    name = brand.current().name
    return JsonResponse(
        {
            "id": "/",
            "name": name,
            "short_name": name,
            "start_url": reverse("repairs:home"),
            "scope": "/",
            "display": "standalone",
            "background_color": GROUND,
            "theme_color": BAND,
            "icons": [_icon(kind, size) for kind in ("icon", "maskable") for size in (192, 512)],
        },
        content_type="application/manifest+json",
    )


@require_safe
@cache_control(no_cache=True)
def worker(request: HttpRequest) -> HttpResponse:
    """Return the service worker, which shows the offline page if the network is away."""
    return render(request, "worker.js", content_type="text/javascript")


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """Return the page that a browser keeps for when it is offline; it has no personal data."""
    request.user = AnonymousUser()
    return render(request, "offline.html")


def _icon(kind: str, size: int) -> dict[str, str]:
    return {
        "src": static(f"icons/{kind}-{size}.png"),
        "sizes": f"{size}x{size}",
        "type": "image/png",
        "purpose": "maskable" if kind == "maskable" else "any",
    }
