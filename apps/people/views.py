"""The notification centre: the bell and the in-app messages."""

import uuid
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.models import Notification
from apps.site.sign_in import sign_in_required

from .bell import unread_count

PER_PAGE = 20


@sign_in_required
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the user's messages, newest first."""
    messages = Notification.objects.visible_to(request.user).order_by("-visible_from", "-pk")
    page = Paginator(messages, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "people/inbox.html", {"page": page})


@never_cache
@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """Return the bell for htmx, or 204 (no swap) if the count still equals `shown`."""
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    unread = unread_count(request.user)
    if request.GET.get("shown") == str(unread):
        return HttpResponse(status=204)
    return render(request, "people/_bell.html", {"unread": unread, "announce": True})


@sign_in_required
@require_POST
def open_notification(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Mark one message as read and redirect to its link."""
    visible = Notification.objects.visible_to(request.user)
    notification = get_object_or_404(visible, pk=pk)
    visible.unread().filter(pk=pk).update(read_at=Now())
    return redirect(local_path(notification.action_url) or "notifications:inbox")


@sign_in_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    Notification.objects.visible_to(request.user).unread().update(read_at=Now())
    return redirect("notifications:inbox")


def local_path(url: str) -> str:
    """Return the path, query and fragment of a URL of this site, or "" for any other URL."""
    parts, site = urlsplit(url), urlsplit(settings.SITE_URL)
    if (parts.scheme, parts.netloc) == (site.scheme, site.netloc):
        url = urlunsplit(parts._replace(scheme="", netloc=""))
    if not url.startswith("/"):
        return ""
    return url if url_has_allowed_host_and_scheme(url, allowed_hosts=None) else ""
