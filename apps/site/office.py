"""Who of the staff may do what on the office's pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from .sign_in import sign_in_required

View = Callable[..., HttpResponse]


def may_see_people(user: Any) -> bool:
    """Return whether the user may see anyone's messages and preferences."""
    return may(user, "core.view_notification")


def may(user: Any, permission: str) -> bool:
    return user.is_active and user.is_staff and user.has_perm(permission)


def office_only(permission: str) -> Callable[[View], View]:
    """Show a page to staff with this permission; others are told that they may not see it."""

    def decorate(view: View) -> View:
        @sign_in_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not may(request.user, permission):
                raise PermissionDenied(gettext("Only the office may see this page."))
            return view(request, *args, **kwargs)

        return guarded

    return decorate
