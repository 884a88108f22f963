"""Limits of one HTTP request. The proxy in front should have the same: see docs/deploy.md."""

#: Bytes of the request line and headers, and of the body. SNS's largest message, 256 KB, is at most
#: twice as long in its JSON. The largest file is a logo: apps/core/services/logos.py.
MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 1024 * 1024
#: Seconds in which all of a request must arrive, and in which each part of an answer must be taken.
REQUEST_S = 10.0
