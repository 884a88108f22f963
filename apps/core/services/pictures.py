"""Decode an uploaded picture and make it small, so that nothing but its pixels remains.

Metadata, scripts behind the picture and further frames do not survive that.
"""

import hashlib
import io
import re
import struct
import threading
import zlib
from collections.abc import Callable
from typing import IO

from PIL import Image, ImageOps

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
#: A large picture takes some 350 MB until it is small, so a process works on one at a time.
_decoding = threading.Lock()


class TooLarge(Exception):
    """The file has more bytes than allowed."""


class Unreadable(Exception):
    """The file is broken, or no picture of an allowed format."""


def read_bytes(file: IO[bytes], most: int) -> bytes:
    """Return the file's bytes; raise TooLarge."""
    data = file.read(most + 1)
    if len(data) > most:
        raise TooLarge
    return data


def is_svg(data: bytes) -> bool:
    return bool(re.search(rb"<svg|<!doctype svg", data[:4096], re.IGNORECASE))


def made_small(
    data: bytes,
    formats: tuple[str, ...],
    largest: tuple[int, int],
    check_size: Callable[[int, int], None],
) -> Image.Image:
    """Return the picture upright, within `largest`, in RGBA; raise Unreadable.

    `check_size` gets width and height before anything is decoded, and raises what it likes.
    """
    try:
        with _decoding, Image.open(io.BytesIO(data), formats=formats) as picture:
            # Only the header has been read.
            check_size(picture.width, picture.height)
            # A large JPEG is decoded at half its size, or less.
            picture.draft(None, largest)
            ImageOps.exif_transpose(picture, in_place=True)
            small = picture.convert("RGBA")
            # Until here it has all its pixels.
            small.thumbnail(largest, Image.Resampling.LANCZOS)
    except _BROKEN as error:
        raise Unreadable from error
    return small


def encoded(picture: Image.Image, form: str, **options: int | bool) -> bytes:
    """Return the pixels alone as a file of this format."""
    bare = Image.new(picture.mode, picture.size)
    bare.paste(picture)
    file = io.BytesIO()
    bare.save(file, form, optimize=True, **options)
    return file.getvalue()


def digest(data: bytes) -> str:
    """Return the name of a stored picture: the same one has the same name."""
    return hashlib.sha256(data).hexdigest()
