"""The office's announcements: write, preview with the cost, send, watch, stop."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.site.htmx import HtmxRequest
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import announcing
from ..forms import AnnouncementForm
from ..models import Announcement

PER_PAGE = 20
#: htmx stops polling at this status.
STOP_POLLING = 286


class OfficeRequest(SignedInRequest, HtmxRequest):
    pass


@office_only("office.view_announcement")
@require_safe
def everything(request: OfficeRequest) -> HttpResponse:
    page = Paginator(Announcement.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "office/announcements.html", {"page": page})


@office_only("office.add_announcement")
@require_http_methods(["GET", "POST"])
def new(request: OfficeRequest) -> HttpResponse:
    return _write(request, Announcement(written_by=request.user))


@office_only("office.add_announcement")
@require_http_methods(["GET", "POST"])
def change(request: OfficeRequest, pk: int) -> HttpResponse:
    return _write(request, get_object_or_404(Announcement, pk=pk, sent_at=None))


@office_only("office.view_announcement")
@require_safe
def show(request: OfficeRequest, pk: int) -> HttpResponse:
    """Show a draft with what it would do, or how far one is that was sent."""
    announcement = get_object_or_404(Announcement, pk=pk)
    context = {
        "announcement": announcement,
        "audience": announcing.audience_label(announcement),
        "email": announcing.email(announcement),
        "sms": announcing.sms(announcement),
    }
    if announcement.sent_at:
        progress = announcing.progress(announcement)
        context["progress"] = progress
        if request.htmx:
            is_over = not progress.left
            status = STOP_POLLING if is_over else 200
            return render(request, "office/_progress.html", context, status=status)
    else:
        try:
            context["estimate"] = announcing.estimate(announcement)
        except LookupError:
            messages.error(request, "The audience no longer exists; choose another one.")
            return redirect("office:change-announcement", pk=pk)
    return render(request, "office/announcement.html", context)


@office_only("office.add_announcement")
@require_POST
def send(request: OfficeRequest, pk: int) -> HttpResponse:
    announcement = get_object_or_404(Announcement, pk=pk)
    try:
        is_sent = announcing.send(announcement, by=request.user)
    except LookupError:
        messages.error(request, "The audience no longer exists; choose another one.")
        return redirect("office:change-announcement", pk=pk)
    if is_sent:
        messages.success(request, "The announcement is on its way.")
    else:
        messages.info(request, "The announcement was already sent.")
    return redirect("office:announcement", pk=pk)


@office_only("office.add_announcement")
@require_POST
def stop(request: OfficeRequest, pk: int) -> HttpResponse:
    announcement = get_object_or_404(Announcement, pk=pk)
    stopped = announcing.stop(announcement, by=request.user)
    if stopped is None:
        messages.info(request, "There was nothing to stop.")
    else:
        messages.success(
            request, f"Stopped: {stopped} message{'' if stopped == 1 else 's'} will not leave."
        )
    return redirect("office:announcement", pk=pk)


def _write(request: OfficeRequest, announcement: Announcement) -> HttpResponse:
    form = AnnouncementForm(request.POST or None, instance=announcement)
    if request.method == "POST" and form.is_valid():
        return redirect("office:announcement", pk=form.save().pk)
    return render(request, "office/write.html", {"form": form, "announcement": announcement})
