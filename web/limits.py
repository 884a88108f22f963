"""Limits of one HTTP request. The proxy in front should have the same: see docs/deploy.md."""

import re

#: Bytes of the request line and headers, and of the body. SNS's largest message, 256 KB, is at most
#: twice as long in its JSON.
MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
#: Bytes of the body on the pages that take a file. The file may have fewer (logos.py): what comes
#: through is refused by the form, which says why and keeps the other fields.
MAX_UPLOAD_BYTES = 5 * 1024 * 1024
UPLOADS = "/office/brand/"
#: Of a form with a photo of up to 10 MB: apps/repairs/photos.py.
MAX_PHOTO_BODY_BYTES = 11 * 1024 * 1024
#: Of a chunked body, which has at most MAX_BODY_BYTES on every page: for each chunk gunicorn copies
#: all that is left. Browsers send no such bodies.
MOST_CHUNKS = 1000
#: What the answer 413 says. The proxy of deploy/nginx/ says the same.
TOO_LARGE = "This is too large, so nothing was done with it. Go back and send less."
#: Seconds in which all of a request must arrive, and in which each part of an answer must be taken.
REQUEST_S = 10.0

_TAKES_PHOTO = re.compile(r"/repairs/(new|[0-9]+/(photos|estimate|complete))/")


def max_body_bytes(path: str) -> int:
    """Return how many bytes the body of a request to this path may have."""
    if _TAKES_PHOTO.fullmatch(path):
        return MAX_PHOTO_BODY_BYTES
    return MAX_UPLOAD_BYTES if path.startswith(UPLOADS) else MAX_BODY_BYTES
