"""The brand's files: the accent as a stylesheet for light and dark pages, and the logos."""

from urllib.parse import unquote

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from apps.core.message import brand, colors
from apps.core.models import BrandLogo

from . import pictures


def shown() -> brand.Brand:
    """Return the brand of pages: that of the environment while the database is out of reach."""
    try:
        return brand.current()
    except OperationalError:
        return brand.of_environment()


@require_safe
def brand_css(request: HttpRequest) -> HttpResponse:
    """Return the accent as CSS custom properties: the CSP forbids inline styles.

    A page names its accent in the address. Another process may know an older one for a moment:
    no cache may keep that under the new address.
    """
    present = shown()
    css = (
        f":root{{{_properties(present.accent_on_light)}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{{_properties(present.accent_on_dark)}}}}}\n"
    )
    response = HttpResponse(css, content_type="text/css")
    is_as_named = unquote(request.META["QUERY_STRING"]) == present.accent
    patch_cache_control(response, public=True, max_age=3600 if is_as_named else 0)
    return response


@require_safe
@cache_control(public=True, max_age=365 * 24 * 3600, immutable=True)
def brand_logo(request: HttpRequest, sha256: str) -> HttpResponse:
    """Return a logo, of which mail programs load the old ones too. Its address names its bytes."""
    logo = get_object_or_404(BrandLogo, pk=sha256)
    return pictures.answer(logo.data, logo.content_type, is_public=True)


def _properties(accent: str) -> str:
    on_accent = colors.as_hex(colors.text_on(colors.parse(accent)))
    return f"--accent:{accent};--on-accent:{on_accent}"
