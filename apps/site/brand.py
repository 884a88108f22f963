"""The brand's accent colour, made readable on the light and the dark pages."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

RGB = tuple[float, float, float]

WHITE: RGB = (1, 1, 1)
BLACK: RGB = (0, 0, 0)
#: The backgrounds in app.css with the least contrast: the darkest light one, the lightest dark one.
LIGHT_GROUND: RGB = (0.922, 0.929, 0.914)
DARK_GROUND: RGB = (0.145, 0.169, 0.188)
#: The least contrast of text: WCAG 2.2, 1.4.3.
READABLE = 4.5


@require_safe
@cache_control(public=True, max_age=3600)
def brand_css(request: HttpRequest) -> HttpResponse:
    """Return the accent as CSS custom properties: the CSP forbids inline styles."""
    accent = parse(settings.BRAND_ACCENT)
    light = readable_on(LIGHT_GROUND, accent, toward=BLACK)
    dark = readable_on(DARK_GROUND, accent, toward=WHITE)
    css = (
        f":root{{{_properties(light)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}\n"
    )
    return HttpResponse(css, content_type="text/css")


def parse(colour: str) -> RGB:
    """Return a colour written #rgb or #rrggbb as three numbers from 0 to 1."""
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise ImproperlyConfigured(
            f"BRAND_ACCENT is {colour!r}; write a colour as in #0b5cad."
        ) from None
    return red / 255, green / 255, blue / 255


def contrast(one: RGB, other: RGB) -> float:
    """Return the contrast ratio of WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(ground: RGB, colour: RGB, *, toward: RGB) -> RGB:
    """Return the colour, mixed with `toward` only as far as it needs to be readable."""
    for step in range(21):
        share = step / 20
        mixed = _mix(colour, toward, share)
        if contrast(mixed, ground) >= READABLE:
            return mixed
    return toward


def _properties(accent: RGB) -> str:
    on_accent = max((WHITE, BLACK), key=lambda text: contrast(text, accent))
    return f"--accent:{_hex(accent)};--on-accent:{_hex(on_accent)}"


def _luminance(colour: RGB) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def _hex(colour: RGB) -> str:
    return "#" + "".join(f"{round(share * 255):02x}" for share in colour)
