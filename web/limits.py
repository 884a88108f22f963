"""Limits of one HTTP request. The proxy in front should have the same: see docs/deploy.md."""

import re

#: Bytes of the request line and headers, and of the body. SNS's largest message, 256 KB, is at most
#: twice as long in its JSON. A logo has up to 500 KB: apps/core/services/logos.py.
MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
#: Of a form with a photo of up to 10 MB: apps/repairs/photos.py.
MAX_PHOTO_BODY_BYTES = 11 * 1024 * 1024
#: Seconds in which all of a request must arrive, and in which each part of an answer must be taken.
REQUEST_S = 10.0

_TAKES_PHOTO = re.compile(r"/repairs/(new|[0-9]+/(photos|estimate|complete))/")


def most_body_bytes(path: str) -> int:
    """Return the limit of a body that is sent to this path."""
    return MAX_PHOTO_BODY_BYTES if _TAKES_PHOTO.fullmatch(path) else MAX_BODY_BYTES
