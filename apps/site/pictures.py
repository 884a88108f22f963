"""Answers that are a picture of ours, from the database."""

from django.http import HttpResponse


def answer(data: bytes | memoryview, content_type: str, *, is_public: bool = False) -> HttpResponse:
    """Return the picture, which can be nothing else for a browser.

    Mail programs in a browser show a public one on their own site.
    """
    return HttpResponse(
        bytes(data),
        content_type=content_type,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin" if is_public else "same-origin",
        },
    )
