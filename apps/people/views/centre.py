"""The notification center: the bell, and the list of threads with what can be done about them.

It works without JavaScript; with it, htmx replaces the list by the one of the answered page.
"""

import uuid
from datetime import datetime
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.models import Notification
from apps.core.models.notification import NotificationQuerySet
from apps.site import subjects
from apps.site.sign_in import SignedInRequest, sign_in_required

from .. import threads
from ..bell import MOST_COUNTED, count
from ..links import local_path

TO_DO = "todo"


class FilterForm(forms.Form):
    """What the list shows. Values that are not valid are ignored."""

    q = forms.CharField(
        label=gettext_lazy("Repair, unit, license plate or person"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    unread = forms.BooleanField(label=gettext_lazy("Unread only"), required=False)
    tab = forms.ChoiceField(choices=[(TO_DO, TO_DO)], required=False, widget=forms.HiddenInput)


@sign_in_required
@require_safe
def show(request: SignedInRequest) -> HttpResponse:
    """Show the user's threads, newest first."""
    user, form = request.user, FilterForm(request.GET)
    form.is_valid()
    given = form.cleaned_data
    heads = threads.heads(user)
    waiting = heads.filter(threads.to_do(user)).order_by()[:MOST_COUNTED].count()
    if given.get("tab"):
        heads = heads.filter(threads.to_do(user))
    if given.get("unread"):
        heads = threads.with_unread(user, heads)
    if words := given.get("q"):
        heads = heads.filter(threads.matching(user, words))
    after = threads.Cursor.parse(request.GET.get("after", ""))
    page = threads.page(user, heads, after)
    context = {
        "form": form,
        "tab": given.get("tab", ""),
        "page": page,
        "after": after,
        "waiting": waiting,
        "is_narrowed": bool(given.get("unread") or words),
        "undo": _undo(request),
        "asked": request.GET.get("ask", ""),
        "newest": (page.newest or timezone.now()).isoformat(),
    }
    return render(request, "people/inbox.html", context)


@never_cache
@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """Return the bell for htmx, or 204 (no swap) if nothing has changed since `shown`.

    The centre also sends `since`, the time of its newest message, and the `news` that it offers.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    ringing, news = count(request.user), _news(request)
    if request.GET.get("shown") == str(ringing) and request.GET.get("news", "0") == str(news):
        return HttpResponse(status=204)
    context = {
        "ringing": ringing,
        "news": news,
        "announce": True,
        "in_centre": "news" in request.GET,
    }
    return render(request, "people/_bell.html", context)


@sign_in_required
@require_POST
def open_notification(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Mark the thread as read and redirect to the message's link."""
    notification = _message(request, pk)
    _up_to(request, notification).update(read_at=timezone.now())
    return redirect(local_path(notification.action_url) or "notifications:inbox")


@sign_in_required
@require_POST
def read(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Mark the thread as read up to this message; a newer one that arrived since stays new."""
    return _mark(request, _up_to(request, _message(request, pk)))


@sign_in_required
@require_POST
def read_all(request: SignedInRequest) -> HttpResponse:
    """Mark everything as read that had arrived when the page was shown."""
    unread = Notification.objects.visible_to(request.user).unread()
    if seen := _moment(request.POST.get("newest", "")):
        unread = unread.filter(visible_from__lte=seen)
    return _mark(request, unread)


@sign_in_required
@require_POST
def unread(request: SignedInRequest) -> HttpResponse:
    """Undo one marking as read: that of the moment `at`."""
    if at := _moment(request.POST.get("at", "")):
        Notification.objects.visible_to(request.user).filter(read_at=at).update(read_at=None)
    return _back(request)


@sign_in_required
@require_POST
def act(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Carry out an action on what the message is about, and show the list again."""
    notification = _message(request, pk)
    adapter = subjects.adapter_of(
        notification.about_type.model_class() if notification.about_type else None
    )
    if not adapter:
        messages.error(request, gettext("Nothing can be done about this message."))
        return _back(request)
    try:
        done = adapter.act(
            request.user, notification.about_id, request.POST.get("action", ""), request.POST.dict()
        )
    except subjects.ActionRefused as refusal:
        if refusal.is_missing:
            return _back(request, ask=str(pk))
        level = messages.INFO if refusal.is_news else messages.ERROR
        messages.add_message(request, level, str(refusal))
    else:
        messages.success(request, done.text, extra_tags=done.undo_url)
        _up_to(request, notification).update(read_at=timezone.now())
    return _back(request)


def _message(request: SignedInRequest, pk: uuid.UUID) -> Notification:
    mine = Notification.objects.visible_to(request.user).select_related("about_type")
    return get_object_or_404(mine, pk=pk)


def _up_to(request: SignedInRequest, notification: Notification) -> NotificationQuerySet:
    """Return the unread messages of the thread that are not newer than this one."""
    thread = threads.thread(request.user, notification).filter(read_at=None)
    return thread.filter(visible_from__lte=notification.visible_from)


def _mark(request: SignedInRequest, messages_: NotificationQuerySet) -> HttpResponse:
    # The moment names this marking: an undo finds its messages by it.
    now = timezone.now()
    return _back(request, read=now.isoformat() if messages_.update(read_at=now) else "")


def _back(request: SignedInRequest, **values: str) -> HttpResponse:
    """Redirect to the list as it was, without what an earlier answer had added to its address."""
    centre = reverse("notifications:inbox")
    parts = urlsplit(local_path(request.POST.get("back", "")))
    query = QueryDict(parts.query if parts.path == centre else "", mutable=True)
    query.pop("read", None)
    query.pop("ask", None)
    for name, value in values.items():
        if value:
            query[name] = value
    return redirect(f"{centre}?{query.urlencode()}" if query else centre)


def _undo(request: SignedInRequest) -> dict[str, object] | None:
    """Return the moment and the number of messages of the marking that the page can undo."""
    at = _moment(request.GET.get("read", ""))
    marked = at and Notification.objects.visible_to(request.user).filter(read_at=at).count()
    return {"at": at.isoformat(), "count": marked} if at and marked else None


def _news(request: HttpRequest) -> int:
    """Return how many messages are newer than the page that asks, at most MOST_COUNTED."""
    since = _moment(request.GET.get("since", ""))
    if not since:
        return 0
    mine = Notification.objects.visible_to(request.user).order_by()
    return mine.filter(visible_from__gt=since)[:MOST_COUNTED].count()


def _moment(text: str) -> datetime | None:
    """Return an aware time, or None for anything else."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
