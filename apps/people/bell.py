"""The bell: the number of unread messages of the signed-in user."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.core.models import Notification

#: From here on the bell shows "99+", and the database stops counting.
MOST_COUNTED = 100


def unread_count(user: Any) -> int:
    """Return how many unread messages this user has, at most `MOST_COUNTED`; 0 if signed out."""
    if not user.is_authenticated:
        return 0
    unread = Notification.objects.visible_to(user).unread().order_by()
    # A column of the index, which then answers alone.
    return unread.values("visible_from")[:MOST_COUNTED].count()


def context(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `unread`, counted only if a template shows it."""
    return {"unread": SimpleLazyObject(lambda: unread_count(request.user))}
