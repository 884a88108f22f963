"""The page that requests a repair, or several breaks as a batch."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.site.htmx import HtmxRequest

from .. import services
from ..exceptions import NotAllowed
from ..forms import MOST_BREAKS, BreakFormSet, RequestForm
from ..models import Profile, Repair, RepairBatch
from ..services import Break
from .person import for_person


@require_http_methods(["GET", "POST"])
@for_person
def request_work(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """Show the form; create a repair, or a batch if there are several breaks.

    The buttons "add" and "remove" only change the number of breaks in the form.
    """
    if request.method == "GET":
        return _show(request, RequestForm(profile=profile), _breaks(profile, initial=[{}]))
    form, breaks = RequestForm(request.POST, profile=profile), _breaks(profile, data=request.POST)
    if "add" in request.POST or "remove" in request.POST:
        return _change_breaks(request, profile, breaks)
    # Validate both, so that all errors show at once.
    if all([form.is_valid(), breaks.is_valid()]):
        try:
            made = _request(profile, form.cleaned_data, [each.as_break() for each in breaks])
        except NotAllowed as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{made.number} is requested.")
            return redirect(made)
    return _show(request, form, breaks)


def _breaks(profile: Profile, **options: Any) -> Any:
    form_kwargs = {"profile": profile, "empty_permitted": False}
    return BreakFormSet(prefix="break", form_kwargs=form_kwargs, **options)


def _request(profile: Profile, given: dict[str, Any], breaks: list[Break]) -> Repair | RepairBatch:
    unit, technician = given["unit"], given.get("technician")
    if len(breaks) > 1:
        return services.request_batch(by=profile, unit=unit, breaks=breaks, technician=technician)
    [only] = breaks
    return services.request_repair(
        by=profile,
        unit=unit,
        damage=only.damage,
        position=only.position,
        description=only.description,
        estimate=only.estimate,
        technician=technician,
    )


def _change_breaks(request: HtmxRequest, profile: Profile, breaks: Any) -> HttpResponse:
    """Show the form with one break more or less, with what was typed and without errors."""
    removed = request.POST.get("remove")
    rows = [_typed(each) for n, each in enumerate(breaks) if str(n) != removed]
    if "add" in request.POST or not rows:
        rows.append({})
    return _show(
        request,
        RequestForm(initial=request.POST.dict(), profile=profile),
        _breaks(profile, initial=rows[:MOST_BREAKS]),
    )


def _typed(form: forms.Form) -> dict[str, Any]:
    return {name: form[name].data for name in form.fields}


def _show(request: HtmxRequest, form: RequestForm, breaks: Any) -> HttpResponse:
    template = "_breaks" if request.htmx.target == "breaks" else "request"
    context = {"form": form, "breaks": breaks, "full": len(breaks) >= MOST_BREAKS}
    return render(request, f"repairs/{template}.html", context)
