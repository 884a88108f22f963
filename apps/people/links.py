"""Links of messages, and the way back to a page of this app."""

from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme


def local_path(url: str) -> str:
    """Return the path, query and fragment of a URL of this site, or "" for any other URL."""
    parts, site = urlsplit(url), urlsplit(settings.SITE_URL)
    if (parts.scheme, parts.netloc) == (site.scheme, site.netloc):
        url = urlunsplit(parts._replace(scheme="", netloc=""))
    if not url.startswith("/"):
        return ""
    return url if url_has_allowed_host_and_scheme(url, allowed_hosts=None) else ""
