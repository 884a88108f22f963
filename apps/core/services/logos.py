"""Make an uploaded picture a logo, and store it once."""

from typing import IO

from PIL import Image

from apps.core.models import BrandLogo

from . import pictures

#: The whole request has a limit too: MAX_UPLOAD_BYTES in web/limits.py.
MOST_BYTES = 500 * 1024
#: Pixels of the upload. A small file can hold a picture that fills the memory.
MOST_PIXELS = 10_000_000
#: The stored picture. It is shown at half that size.
LARGEST = (600, 200)
#: The least that the shorter side must have.
SMALLEST = 16
#: The lightest gray that shows on white.
VISIBLE = 170
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


class NotALogo(Exception):
    """The file cannot be used; the text says why and what to do."""


def read(file: IO[bytes]) -> BrandLogo:
    """Return the logo, not yet stored; raise NotALogo."""
    small = _made_small(_bytes(file))
    if not _shows_on_white(small):
        raise NotALogo(
            "The logo cannot be seen on white, which is the ground of e-mails. Use the version for "
            "light grounds."
        )
    png = pictures.encoded(small, "PNG")
    return BrandLogo(
        sha256=pictures.digest(png),
        content_type="image/png",
        width=small.width,
        height=small.height,
        data=png,
    )


def store(logo: BrandLogo) -> BrandLogo:
    """Store the logo unless it is stored already."""
    values = {name: getattr(logo, name) for name in ("content_type", "width", "height", "data")}
    return BrandLogo.objects.get_or_create(sha256=logo.sha256, defaults=values)[0]


def _bytes(file: IO[bytes]) -> bytes:
    try:
        data = pictures.read_bytes(file, MOST_BYTES)
    except pictures.TooLarge:
        raise NotALogo(
            f"The file is too large. Use one of up to {MOST_BYTES // 1024} KB."
        ) from None
    if pictures.is_svg(data):
        raise NotALogo(
            "Mail programs do not show SVG, and it can contain scripts. Export the logo as PNG."
        )
    return data


def _made_small(data: bytes) -> Image.Image:
    try:
        return pictures.made_small(data, FORMATS, LARGEST, _check_size)
    except pictures.Unreadable as error:
        raise NotALogo(
            "The file is no picture that can be read. Use PNG, JPEG, GIF or WebP."
        ) from error


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise NotALogo(
            f"The picture has {width:,} x {height:,} pixels. Use a smaller one: "
            f"{LARGEST[0]} x {LARGEST[1]} are enough."
        )
    if min(width, height) < SMALLEST or max(width, height) > 30 * min(width, height):
        raise NotALogo(
            f"The picture has {width:,} x {height:,} pixels. It needs at least {SMALLEST} on each "
            "side, and the longer side at most 30 times the shorter one."
        )


def _shows_on_white(picture: Image.Image) -> bool:
    white = Image.new("RGBA", picture.size, "white")
    darkest, _ = Image.alpha_composite(white, picture).convert("L").getextrema()
    return int(darkest) <= VISIBLE  # type: ignore[arg-type]
