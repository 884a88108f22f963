"""The signed-in person, and the rows that they may see."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from apps.site.sign_in import sign_in_required

from .. import texting
from ..models import Profile, Repair, RepairBatch

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
        return view(request, profile, **kwargs)

    return with_profile


def repair_of(profile: Profile, pk: int) -> Repair:
    return get_object_or_404(Repair.objects.visible_to(profile).with_details(), pk=pk)


def batch_of(profile: Profile, pk: int) -> RepairBatch:
    batches = RepairBatch.objects.visible_to(profile).select_related("unit__company")
    return get_object_or_404(batches, pk=pk)


def warn_of_limit(request: HttpRequest, profile: Profile, about: Repair | RepairBatch) -> None:
    """Tell the user if their actions cause no more text messages for now."""
    if sentence := texting.notice(profile, about.unit.company):
        messages.warning(request, sentence)
