"""The bell: how many threads of the signed-in user are unread or wait for them."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.core.models import Notification

from . import threads

#: From here on the bell shows "99+", and the database stops counting.
MOST_COUNTED = 100
#: Unread messages that are read to count their threads. A thread rarely has ten.
MOST_READ = 10 * MOST_COUNTED


def count(user: Any) -> int:
    """Return how many threads are unread or to do, at most `MOST_COUNTED`; 0 if signed out."""
    if not user.is_authenticated:
        return 0
    mine = Notification.objects.visible_to(user).order_by()
    keys = "about_type", "about_id", "pk"
    found: set[tuple[Any, ...]] = set()
    for rows in (mine.unread(), mine.filter(threads.to_do(user))):
        for kind, key, pk in rows.values_list(*keys)[:MOST_READ]:
            found.add((kind, key) if kind else (pk,))
    return min(len(found), MOST_COUNTED)


def context(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `ringing`, counted only if a template shows it."""
    return {"ringing": SimpleLazyObject(lambda: count(request.user))}
