"""Links to this site in messages, some of them signed."""

from functools import lru_cache
from urllib.parse import urljoin

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode


def absolute(url: str) -> str:
    """Return the URL with SITE_URL before it, so that it works outside the site."""
    return _absolute(settings.SITE_URL, url)


@lru_cache(maxsize=1024)
def _absolute(site: str, url: str) -> str:
    # Several times in each message, and the same for all who get it.
    return urljoin(site.rstrip("/") + "/", url)


def confirm_path(token: str) -> str:
    return reverse("contact:confirm-email", args=[token])


def new_password_path(user: User) -> str:
    """Return the path for a new password: valid once, and for PASSWORD_RESET_TIMEOUT seconds."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("new-password", args=[uid, default_token_generator.make_token(user)])
