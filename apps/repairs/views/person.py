"""The signed-in person, and the rows that they may see."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from apps.core.services import reading
from apps.site.sign_in import sign_in_required

from .. import texting
from ..models import Profile, Repair, RepairBatch, RepairEvent

View = Callable[..., HttpResponse]


def for_person(view: View) -> View:
    """Pass the signed-in user's profile to the view, or explain that they have none."""

    @sign_in_required
    @wraps(view)
    def with_profile(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        assert request.user.is_authenticated
        profiles = Profile.objects.select_related("user", "company")
        profile = profiles.filter(user=request.user).first()
        if profile is None:
            return render(request, "repairs/no_profile.html", status=403)
        try:
            return view(request, profile, **kwargs)
        except GivenAway as notice:
            mark_read(request, profile, notice.repair)
            context = {"repair": notice.repair, "event": notice.event}
            status = 200 if request.method == "GET" else 403
            return render(request, "repairs/given_away.html", context, status=status)

    return with_profile


class GivenAway(Exception):
    """The repair was this technician's, until the event of its history gave it to another one."""

    def __init__(self, event: RepairEvent) -> None:
        self.repair, self.event = event.repair, event


def repair_of(profile: Profile, pk: int) -> Repair:
    """Return the repair. Raise GivenAway to its former technician, and Http404 to others."""
    if repair := Repair.objects.visible_to(profile).with_details().filter(pk=pk).first():
        return repair
    left = RepairEvent.objects.filter(repair__pk=pk, former_technician=profile)
    if event := left.select_related("actor__user", "repair__technician__user").last():
        raise GivenAway(event)
    raise Http404


def batch_of(profile: Profile, pk: int) -> RepairBatch:
    batches = RepairBatch.objects.visible_to(profile).select_related("unit__company")
    return get_object_or_404(batches, pk=pk)


def mark_read(request: HttpRequest, profile: Profile, about: Repair | RepairBatch) -> None:
    """Mark the person's messages about it as read, if a person opened the page."""
    # A browser may fetch a page in advance, and the person may never look at it.
    if request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", ""):
        reading.mark_read(profile.user, about)


def warn_of_limit(request: HttpRequest, profile: Profile, about: Repair | RepairBatch) -> None:
    """Tell the user if their actions cause no more text messages for now."""
    if sentence := texting.notice(profile, about.unit.company):
        messages.warning(request, sentence)
