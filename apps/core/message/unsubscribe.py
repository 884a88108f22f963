"""Unsubscribing from e-mails: the signed link, and the headers for a mail program's own button.

RFC 8058: the program sends a POST without cookies to the link, and nothing else is asked. A scanner
that opens every link sends a GET, which changes nothing.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing
from django.urls import reverse

from apps.core.models import Notification
from apps.core.states import Channel, Priority

from . import kinds
from .links import absolute

_SALT = "apps.core.unsubscribe"
#: The field and the value that a mail program posts.
FIELD, ONE_CLICK = "List-Unsubscribe", "One-Click"


class Subscription(NamedTuple):
    """The e-mails that a link is about."""

    user_id: Any
    categories: tuple[str, ...]


def headers(notifications: Collection[Notification]) -> dict[str, str]:
    """Return the headers of an e-mail that carries these: none if all are urgent or required."""
    subscription = _subscription(notifications)
    return headers_for(subscription) if subscription else {}


def headers_for(subscription: Subscription) -> dict[str, str]:
    return {
        "List-Unsubscribe": f"<{url(subscription)}>",
        "List-Unsubscribe-Post": f"{FIELD}={ONE_CLICK}",
    }


def footer(notifications: Collection[Notification]) -> dict[str, str]:
    """Return the links in the footer of an e-mail that carries these notifications."""
    subscription = _subscription(notifications)
    categories = {each.category for each in notifications}
    fragment = f"#category-{categories.pop()}" if len(categories) == 1 else ""
    return {
        "unsubscribe_url": url(subscription) if subscription else "",
        "preferences_url": absolute(f"{settings.ACCOUNT_URL}{fragment}"),
    }


def is_offered(notification: Notification) -> bool:
    """Return whether people may unsubscribe from such an e-mail by its link."""
    kind = kinds.get(notification.kind)
    return notification.priority != Priority.URGENT and Channel.EMAIL not in kind.required


def url(subscription: Subscription) -> str:
    """Return the link, which has no end: people unsubscribe from old e-mails too."""
    return _url(subscription, settings.SITE_URL, settings.SECRET_KEY)


@lru_cache(maxsize=1024)
def _url(subscription: Subscription, *_made_of: str) -> str:
    # Twice in each e-mail, and the same in all to one person.
    return absolute(reverse("unsubscribe", args=[token(subscription)]))


def token(subscription: Subscription) -> str:
    return _signer().sign_object([subscription.user_id, *subscription.categories])


def read(token: str) -> Subscription | None:
    """Return what the token of a link is about, or None if it is not one of ours."""
    try:
        user_id, *categories = _signer().unsign_object(token)
    except (signing.BadSignature, ValueError):
        return None
    return Subscription(user_id, tuple(categories))


def labels(categories: Collection[str]) -> list[str]:
    """Return what people call these categories."""
    known = {kind.category.name: kind.category.label for kind in kinds.REGISTRY.values()}
    return [known.get(name, name.replace("_", " ").capitalize()) for name in categories]


def _subscription(notifications: Collection[Notification]) -> Subscription | None:
    offered = [each for each in notifications if is_offered(each)]
    if not offered:
        return None
    categories = sorted({each.category for each in offered})
    return Subscription(offered[0].recipient_id, tuple(categories))


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=".")
