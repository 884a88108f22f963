"""Contrast of colors, and the readable form of an accent (WCAG 2.2, 1.4.3)."""

import re

RGB = tuple[float, float, float]

WHITE: RGB = (1, 1, 1)
BLACK: RGB = (0, 0, 0)
#: The backgrounds in app.css with the least contrast: the darkest light one, the lightest dark one.
LIGHT_GROUND: RGB = (0.922, 0.929, 0.914)
DARK_GROUND: RGB = (0.145, 0.169, 0.188)
#: The least contrast of text: WCAG 2.2, 1.4.3.
READABLE = 4.5


def parse(color: str) -> RGB:
    """Return a color written #rgb or #rrggbb as three numbers from 0 to 1; raise ValueError."""
    if not re.fullmatch(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", color):
        raise ValueError(f"{color!r} is no color; write it as in #0b5cad.")
    digits = color[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = bytes.fromhex(digits)
    return red / 255, green / 255, blue / 255


def as_hex(color: RGB) -> str:
    return "#" + "".join(f"{round(share * 255):02x}" for share in color)


def contrast(one: RGB, other: RGB) -> float:
    """Return the contrast ratio of WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(ground: RGB) -> RGB:
    """Return black or white, whichever reads better on this ground."""
    return max((WHITE, BLACK), key=lambda text: contrast(text, ground))


def readable_on(ground: RGB, color: RGB, *, toward: RGB) -> RGB:
    """Return the color, mixed with `toward` only as far as it needs to be readable."""
    for step in range(21):
        share = step / 20
        mixed = _mix(color, toward, share)
        if contrast(mixed, ground) >= READABLE:
            return mixed
    return toward


def _luminance(color: RGB) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue
