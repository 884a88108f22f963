"""Make an uploaded picture a logo: decoded, made small and encoded anew, so nothing else remains.

Metadata, scripts behind the picture and further frames do not survive that.
"""

import hashlib
import io
import re
import struct
import zlib
from typing import IO

from PIL import Image, ImageOps

from apps.core.models import BrandLogo

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
#: What Pillow raises for a file that is broken or made to break it.
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class NotALogo(Exception):
    """The file cannot be used; the text says why and what to do."""


def read(file: IO[bytes]) -> BrandLogo:
    """Return the logo, not yet stored; raise NotALogo."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NotALogo(f"The file is too large. Use one of up to {MOST_BYTES // 1024} KB.")
    if re.search(rb"<svg|<!doctype svg", data[:4096], re.IGNORECASE):
        raise NotALogo(
            "Mail programs do not show SVG, and it can contain scripts. Export the logo as PNG."
        )
    small = _made_small(data)
    if not _shows_on_white(small):
        raise NotALogo(
            "The logo cannot be seen on white, which is the ground of e-mails. Use the version for "
            "light grounds."
        )
    encoded = io.BytesIO()
    small.save(encoded, "PNG", optimize=True)
    png = encoded.getvalue()
    return BrandLogo(
        sha256=hashlib.sha256(png).hexdigest(),
        content_type="image/png",
        width=small.width,
        height=small.height,
        data=png,
    )


def store(logo: BrandLogo) -> BrandLogo:
    """Store the logo unless it is stored already."""
    values = {name: getattr(logo, name) for name in ("content_type", "width", "height", "data")}
    return BrandLogo.objects.get_or_create(sha256=logo.sha256, defaults=values)[0]


def _made_small(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            # Only the header has been read.
            _check_size(picture.width, picture.height)
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except _BROKEN as error:
        raise NotALogo(
            "The file is no picture that can be read. Use PNG, JPEG, GIF or WebP."
        ) from error
    upright.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    # A new picture has the pixels alone.
    small = Image.new("RGBA", upright.size)
    small.paste(upright)
    return small


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
