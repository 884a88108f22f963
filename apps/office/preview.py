"""Show an e-mail in a frame: it can run nothing, and load only pictures of this site."""

import re
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse

_DARK_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_BOTH_SCHEMES = re.compile(r"\blight dark\b")


class Scheme(StrEnum):
    LIGHT = "light"
    DARK = "dark"


def framed(html: str, scheme: Scheme = Scheme.LIGHT) -> HttpResponse:
    """Return the HTML of an e-mail as a page for a frame of this site, in light or dark colors."""
    answer = HttpResponse(in_scheme(html, scheme))
    answer["Content-Security-Policy"] = _policy("'unsafe-inline'")
    answer["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def frameable(answer: HttpResponse) -> HttpResponse:
    """Let a page of this site with this site's own stylesheet appear in a frame of this site."""
    answer["Content-Security-Policy"] = _policy(_origin())
    answer["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def in_scheme(html: str, scheme: Scheme) -> str:
    """Return the HTML as a mail program in this color scheme shows it, whatever the reader's is."""
    # A width is a condition that always holds, or never, in any combination with others.
    condition = "(min-width:0)" if scheme == Scheme.DARK else "(max-width:0)"
    return _BOTH_SCHEMES.sub(scheme, _DARK_QUERY.sub(condition, html))


def _policy(styles: str) -> str:
    # Without allow-top-navigation, links in the frame cannot replace the office's page.
    return (
        f"sandbox; default-src 'none'; style-src {styles}; img-src data: {_origin()}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def _origin() -> str:
    """Return where this site's files are: in a sandboxed page 'self' is not this site."""
    address = urlsplit(settings.SITE_URL)
    return f"'self' {address.scheme}://{address.netloc}"
