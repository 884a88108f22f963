"""Pictures as cameras make them, and as attackers do."""

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw


def drawn(mode: str = "RGB", size: tuple[int, int] = (300, 100)) -> Image.Image:
    """Return a white picture whose left third is dark blue."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 3, size[1]), fill="navy")
    if mode == "I;16":
        return image.convert("L").convert("I").convert("I;16")
    return image.convert(mode)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """Return a PNG that says to be of this size, with one row of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (width // 8 + 1))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def of_a_phone(size: tuple[int, int] = (800, 600), orientation: int = 1) -> bytes:
    """Return a JPEG with what a phone writes into it: place, camera, and how it was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Phone Maker"
    # The place, in the sub-table of GPS.
    exif[0x8825] = {1: "N", 2: (41.0, 52.0, 55.0), 3: "W", 4: (87.0, 37.0, 40.0)}
    return saved(drawn(size=size), "JPEG", exif=exif)
