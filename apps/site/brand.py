"""The brand's stylesheet: the accent, made readable on the light and the dark pages."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from apps.core.message import brand, colors


@require_safe
@cache_control(public=True, max_age=3600)
def brand_css(request: HttpRequest) -> HttpResponse:
    """Return the accent as CSS custom properties: the CSP forbids inline styles."""
    present = brand.current()
    css = (
        f":root{{{_properties(present.accent_on_light)}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{{_properties(present.accent_on_dark)}}}}}\n"
    )
    return HttpResponse(css, content_type="text/css")


def _properties(accent: str) -> str:
    on_accent = colors.as_hex(colors.text_on(colors.parse(accent)))
    return f"--accent:{accent};--on-accent:{on_accent}"
