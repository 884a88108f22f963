"""What every page needs to know."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from .models import Notification

#: Beyond this the bell says "99+", and the database stops counting.
MOST_COUNTED = 100


def unread_count(user: Any) -> int:
    """How many messages wait for this user, up to `MOST_COUNTED`; nobody has none."""
    if not user.is_authenticated:
        return 0
    unread = Notification.objects.visible_to(user).unread().order_by()
    return unread[:MOST_COUNTED].count()


def shell(request: HttpRequest) -> dict[str, Any]:
    return {
        "brand": {"name": settings.BRAND_NAME, "accent": settings.BRAND_ACCENT},
        "unread": SimpleLazyObject(lambda: unread_count(request.user)),
        "environment": settings.ENVIRONMENT,
    }
