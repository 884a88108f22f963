"""The public page of a link to unsubscribe.

A GET shows it and changes nothing: scanners of mail providers open every link. A POST acts, without
a session or a CSRF token, because the signed link is all that a mail program has (RFC 8058).
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import translation
from django.utils.text import get_text_list
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.core.message import unsubscribe
from apps.core.models import Choice
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.services import preferences
from apps.core.states import Channel

from . import owners

#: Two moments of one transaction, by the clocks of two machines.
SAME = timedelta(seconds=5)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link is about, or act: `List-Unsubscribe=One-Click`, or the page's `do`."""
    subscription = unsubscribe.read(token)
    users = get_user_model()._default_manager
    user = users.filter(pk=subscription.user_id).first() if subscription else None
    if subscription is None or user is None or not subscription.categories:
        return render(request, "people/unsubscribe_unknown.html", status=404)
    if request.method == "POST":
        if request.POST.get(unsubscribe.FIELD) == unsubscribe.ONE_CLICK:
            _stop(user, subscription.categories)
            return HttpResponse("Unsubscribed.\n", content_type="text/plain")
        action = _ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            return HttpResponseBadRequest(
                f"Send {unsubscribe.FIELD}={unsubscribe.ONE_CLICK}.\n", content_type="text/plain"
            )
        action(user, subscription.categories)
    with translation.override(owners.language_of(user.pk)):
        return _page(request, user, subscription.categories)


def _page(request: HttpRequest, user: Any, categories: tuple[str, ...]) -> HttpResponse:
    labels = [gettext(each) for each in unsubscribe.labels(categories)]
    return render(
        request,
        "people/unsubscribe.html",
        {
            "name": user.get_full_name() or user.get_username(),
            "subjects": get_text_list(labels, gettext("and")),
            "setting": _setting(user, categories),
            "account_url": settings.ACCOUNT_URL,
            "fragment": f"#category-{categories[0]}",
        },
    )


def _stop(user: Any, categories: tuple[str, ...]) -> None:
    _choose(user, categories, Setting.OFF, ChoiceVia.MAIL_CLIENT)


def _daily(user: Any, categories: tuple[str, ...]) -> None:
    _choose(user, categories, Setting.DAILY, ChoiceVia.PAGE)


def _undo(user: Any, categories: tuple[str, ...]) -> None:
    """Go back to the choice before, or to none if there was none."""
    with transaction.atomic():
        for category in categories:
            chosen = Choice.objects.filter(user=user, category=category, channel=Channel.EMAIL)
            present = chosen.present().first()
            if present and (present.setting, present.via) == (Setting.OFF, ChoiceVia.MAIL_CLIENT):
                before = chosen.filter(replaced_at__gte=present.at - SAME, pk__lt=present.pk)
                row = before.order_by("-pk").first()
                setting, via = (Setting(row.setting), row.via) if row else (None, ChoiceVia.PAGE)
                preferences.choose(
                    user, category, Channel.EMAIL, setting, via=ChoiceVia(via), by=user
                )


def _choose(user: Any, categories: tuple[str, ...], setting: Setting, via: ChoiceVia) -> None:
    by = None if via == ChoiceVia.MAIL_CLIENT else user
    with transaction.atomic():
        for category in categories:
            preferences.choose(user, category, Channel.EMAIL, setting, via=via, by=by)


def _setting(user: Any, categories: tuple[str, ...]) -> str:
    """Return what is chosen for all of the categories, or "" if that differs or is not chosen."""
    present = Choice.objects.present().filter(
        user=user, category__in=categories, channel=Channel.EMAIL
    )
    found = {row.category: row.setting for row in present}
    chosen = {found.get(category, "") for category in categories}
    return chosen.pop() if len(chosen) == 1 else ""


_ACTIONS: dict[str, Callable[[Any, tuple[str, ...]], None]] = {
    "stop": _stop,
    "daily": _daily,
    "undo": _undo,
}
