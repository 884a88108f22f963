"""The photos of a repair: their page, and the pictures for pages and for mail programs."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.site import pictures

from .. import photos
from ..exceptions import NotAllowed
from ..forms import PhotoForm
from ..models import Profile, Repair, RepairPhoto
from ..permissions import Action, problem
from .pages import photos_context
from .person import for_person, repair_of

#: The address names the bytes, so browsers may keep them; a removed photo must soon be gone.
DAY_S = 24 * 3600
for_browsers = cache_control(private=True, max_age=DAY_S, immutable=True)
for_everyone = cache_control(public=True, max_age=DAY_S, immutable=True)


@require_http_methods(["GET", "POST"])
@for_person
def show(request: HttpRequest, profile: Profile, pk: int) -> HttpResponse:
    """Show the photos to a person who may add or remove some; add one."""
    repair = repair_of(profile, pk)
    context = {"repair": repair, **photos_context(repair, profile)}
    if request.method == "POST":
        if why := problem(Action.ADD_PHOTO, repair, profile):
            messages.error(request, why)
            return redirect(repair)
        context["photo_form"] = form = PhotoForm(request.POST, request.FILES, repair=repair)
        if form.is_valid():
            return _add(request, profile, repair, form)
    elif "photo_form" not in context and not context["may_remove_photos"]:
        return redirect(repair)
    return render(request, "repairs/photos.html", context)


def _add(request: HttpRequest, profile: Profile, repair: Repair, form: PhotoForm) -> HttpResponse:
    try:
        photos.add(form.cleaned_data["photo"], repair, form.moment_given, by=profile)
    except NotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, gettext("The photo is added."))
    return redirect(repair)


@require_POST
@for_person
def remove(request: HttpRequest, profile: Profile, pk: int, sha256: str) -> HttpResponse:
    repair = repair_of(profile, pk)
    try:
        photos.remove(repair, sha256, by=profile)
    except NotAllowed as refusal:
        messages.error(request, str(refusal))
        return redirect(repair)
    messages.success(request, gettext("The photo is removed."))
    return redirect("repairs:photos", pk=repair.pk)


@require_safe
@for_person
@for_browsers
def large(request: HttpRequest, profile: Profile, pk: int, sha256: str) -> HttpResponse:
    return pictures.answer(_of(profile, pk, sha256).data, "image/jpeg")


@require_safe
@for_person
@for_browsers
def small(request: HttpRequest, profile: Profile, pk: int, sha256: str) -> HttpResponse:
    return pictures.answer(_of(profile, pk, sha256).small, "image/jpeg")


@require_safe
@for_everyone
def public(request: HttpRequest, token: str) -> HttpResponse:
    """Return the small rendition to a mail program, by its signed address."""
    return pictures.answer(photos.of_public(token).small, "image/jpeg", is_public=True)


@require_safe
def too_large(request: HttpRequest) -> HttpResponse:
    """Say what to do. The proxy leads here, since it does not pass such a request on."""
    return render(request, "repairs/photo_too_large.html", {"sentence": photos.too_large()})


def _of(profile: Profile, pk: int, sha256: str) -> RepairPhoto:
    if photo := repair_of(profile, pk).photos.filter(sha256=sha256).first():
        return photo
    raise Http404
