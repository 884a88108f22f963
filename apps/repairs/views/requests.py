"""The page that requests a repair, or several breaks as a batch."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods

from apps.site.htmx import HtmxRequest

from .. import requesting
from ..exceptions import AlreadyRequested, NotAllowed
from ..models import FleetUnit, Profile, Repair, RepairBatch
from ..request_forms import MOST_BREAKS, BreakFormSet, RequestForm
from ..requesting import Break
from .person import for_person, warn_of_limit

#: The buttons that change the number of breaks, and the name that app.js sends to restore a draft.
CHANGES = {"add", "remove", "restore"}


@require_http_methods(["GET", "POST"])
@for_person
def request_work(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """Show the form; create a repair, or a batch if there are several breaks."""
    if request.method == "GET":
        form = RequestForm(profile=profile, initial={"token": uuid4()})
        return _show(request, form, _breaks(profile, initial=[{}]))
    form = RequestForm(request.POST, request.FILES, profile=profile)
    breaks = _breaks(profile, data=request.POST)
    if CHANGES & request.POST.keys():
        return _change_breaks(request, profile, breaks)
    # Validate both, so that all errors show at once.
    if not all([form.is_valid(), breaks.is_valid()]):
        return _show(request, form, breaks)
    items = [each.as_break() for each in breaks]
    unit = form.cleaned_data["unit"]
    same = requesting.same_breaks(unit, items) if unit else []
    if same and "again" not in request.POST:
        return _show(request, form, breaks, same=_linked(same, profile))
    try:
        made = _request(profile, form.cleaned_data, items)
    except AlreadyRequested as notice:
        messages.info(request, str(notice))
        return redirect(notice.made)
    except NotAllowed as refusal:
        form.add_error(None, str(refusal))
        return _show(request, form, breaks)
    messages.success(request, gettext("{number} is requested.").format(number=made.number))
    warn_of_limit(request, profile, made)
    return redirect(made)


def _breaks(profile: Profile, **options: Any) -> Any:
    form_kwargs = {"profile": profile, "empty_permitted": False}
    return BreakFormSet(prefix="break", form_kwargs=form_kwargs, **options)


@transaction.atomic
def _request(
    profile: Profile, given: dict[str, Any], breaks: Sequence[Break]
) -> Repair | RepairBatch:
    shared = {
        "by": profile,
        "unit": given["unit"] or _new_unit(profile, given),
        "technician": given.get("technician"),
        "token": given["token"],
        "photo": given.get("photo"),
    }
    if len(breaks) > 1:
        return requesting.request_batch(breaks=breaks, **shared)
    [only] = breaks
    return requesting.request_repair(
        damage=only.damage,
        position=only.position,
        description=only.description,
        estimate=only.estimate,
        **shared,
    )


def _new_unit(profile: Profile, given: dict[str, Any]) -> FleetUnit:
    return requesting.unit_of(
        profile.company or given["new_company"],
        given["new_number"],
        description=given["new_description"],
        plate=given["new_plate"],
        by=profile,
    )


def _change_breaks(request: HtmxRequest, profile: Profile, breaks: Any) -> HttpResponse:
    """Show the form with one break more or less, with what was typed and without errors."""
    removed = request.POST.get("remove")
    rows = [_typed(each) for n, each in enumerate(breaks) if str(n) != removed]
    if "add" in request.POST or not rows:
        rows.append({})
    rows = rows[:MOST_BREAKS]
    if "add" in request.POST:
        changed = {
            "focus": len(rows) - 1,
            "change": gettext("Break {n} added.").format(n=len(rows)),
        }
    elif len(rows) < len(breaks):
        number = int(removed or 0)
        changed = {
            "focus": min(number, len(rows) - 1),
            "change": ngettext(
                "Break {n} removed. {count} break left.",
                "Break {n} removed. {count} breaks left.",
                len(rows),
            ).format(n=number + 1, count=len(rows)),
        }
    else:
        changed = {}
    form = RequestForm(initial=request.POST.dict(), profile=profile)
    return _show(request, form, _breaks(profile, initial=rows), **changed)


def _typed(form: forms.Form) -> dict[str, Any]:
    return {name: form[name].data for name in form.fields}


def _linked(repairs: Sequence[Repair], profile: Profile) -> list[tuple[Repair, bool]]:
    """Return each repair, and whether this person may open its page."""
    keys = [repair.pk for repair in repairs]
    visible = Repair.objects.visible_to(profile).filter(pk__in=keys)
    seen = set(visible.values_list("pk", flat=True))
    return [(repair, repair.pk in seen) for repair in repairs]


def _show(request: HtmxRequest, form: RequestForm, breaks: Any, **more: Any) -> HttpResponse:
    fragment = request.htmx.target == "breaks"
    context = {
        "photo_was_lost": bool(request.FILES),
        "form": form,
        "breaks": breaks,
        "full": len(breaks) >= MOST_BREAKS,
        "fragment": fragment,
        **more,
    }
    return render(request, f"repairs/{'_breaks' if fragment else 'request'}.html", context)
