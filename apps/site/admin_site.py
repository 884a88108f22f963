"""The admin's site: django-unfold's look in the brand of the house."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from unfold.dataclasses import DropdownItem, Favicon
from unfold.sites import UnfoldAdminSite

from apps.core.message import brand
from apps.core.message.brand import Brand

#: How much of each of unfold's shades is the accent, and what the rest is.
_LIGHTER = {"50": 6, "100": 12, "200": 24, "300": 45, "400": 70}
_DARKER = {"700": 85, "800": 70, "900": 55, "950": 40}

#: Lookups of a list's address that nothing here links to. Django fails at some of their values.
_UNUSED = frozenset({"in", "range", "regex", "iregex", "iso_year", "quarter", "week"})
#: The parts of a date that a list's address may have.
_DATES = {"year": r"[12]\d{3}", "month": r"\d{1,2}", "day": r"\d{1,2}"}

View = Callable[..., HttpResponse]


class Site(UnfoldAdminSite):
    def admin_view(self, view: View, cacheable: bool = False) -> View:
        allowed: View = super().admin_view(_sane(view), cacheable)
        return allowed

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().each_context(request)
        present = brand.current()
        context |= {"site_title": present.name, "site_header": present.name}
        context["colors"] = {**context["colors"], "primary": _shades(present)}
        context["styles"], context["scripts"] = [static("admin.css")], [static("admin.js")]
        context["site_icon"] = static("favicon.svg")
        context["site_dropdown"] = [
            DropdownItem(title="Administration", link=reverse("admin:index"), icon="settings"),
            DropdownItem(title="Office", link=settings.COCKPIT_URL, icon="monitoring"),
            DropdownItem(title="Repairs", link="/", icon="build"),
        ]
        context["site_favicons"] = [
            Favicon(href=static("favicon.svg"), rel="icon", type="image/svg+xml")
        ]
        return context

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the apps as the office needs them: messages, repairs, then sign-ins."""
        found: list[dict[str, Any]] = super().get_app_list(request, app_label)
        return sorted(found, key=lambda app: app["app_label"] == "auth")


def _shades(present: Brand) -> dict[str, str]:
    """Return unfold's shades: 500 is read on dark pages, 600 on light ones and under white text."""
    accent = present.accent_on_light
    return {
        **{
            name: f"color-mix(in oklab, {accent} {part}%, white)" for name, part in _LIGHTER.items()
        },
        "500": present.accent_on_dark,
        "600": accent,
        **{name: f"color-mix(in oklab, {accent} {part}%, black)" for name, part in _DARKER.items()},
    }


def _sane(view: View) -> View:
    """Answer 400 to a list's address to which no page links."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        given = dict(request.GET.lists())
        if odd := [key for key, values in given.items() if _is_odd(key, values)]:
            raise SuspiciousOperation(f"no list of the admin is narrowed by {odd}")
        return view(request, *args, **kwargs)

    return guarded


def _is_odd(key: str, values: list[str]) -> bool:
    lookups = key.split("__")[1:]
    parts = [_DATES[each] for each in lookups if each in _DATES]
    return not _UNUSED.isdisjoint(lookups) or any(
        not re.fullmatch(part, value, re.ASCII) for part in parts for value in values
    )
