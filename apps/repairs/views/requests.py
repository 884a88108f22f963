"""Asking for work."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.site.htmx import HtmxRequest

from .. import services
from ..exceptions import NotAllowed
from ..forms import MOST_BREAKS, BreakForm, RequestForm
from ..models import Profile, Repair, RepairBatch
from .person import for_person


@require_http_methods(["GET", "POST"])
@for_person
def request_work(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """A repair, or with several breaks a batch. "Add" and "remove" only change the form."""
    given = request.POST
    if request.method == "GET":
        return _show(request, RequestForm(profile=profile), [_break(0, profile)])
    if "add" in given or "remove" in given:
        return _change_breaks(request, profile)
    form = RequestForm(given, profile=profile)
    breaks = _bound_breaks(given, profile)
    # Every form is asked, so that all errors show at once.
    if all([form.is_valid(), *(item.is_valid() for item in breaks)]):
        try:
            made = _request(profile, form.cleaned_data, breaks)
        except NotAllowed as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{made.number} is requested.")
            return redirect(made)
    return _show(request, form, breaks)


def _request(
    profile: Profile, given: dict[str, Any], breaks: Sequence[BreakForm]
) -> Repair | RepairBatch:
    items = [form.as_break() for form in breaks]
    technician = given.get("technician")
    if len(items) > 1:
        return services.request_batch(
            by=profile, unit=given["unit"], breaks=items, technician=technician
        )
    only = items[0]
    return services.request_repair(
        by=profile,
        unit=given["unit"],
        damage=only.damage,
        position=only.position,
        description=only.description,
        estimate=only.estimate,
        technician=technician,
    )


def _change_breaks(request: HtmxRequest, profile: Profile) -> HttpResponse:
    given = request.POST
    kept = [n for n in range(_count(given)) if str(n) != given.get("remove")]
    rows: list[dict[str, str]] = [_typed(given, n, profile) for n in kept]
    if "add" in given or not rows:
        rows.append({})
    breaks = [_break(n, profile, initial=row) for n, row in enumerate(rows[:MOST_BREAKS])]
    form = RequestForm(
        initial={name: given.get(name) for name in ("unit", "technician")}, profile=profile
    )
    return _show(request, form, breaks)


def _show(request: HtmxRequest, form: RequestForm, breaks: Sequence[BreakForm]) -> HttpResponse:
    template = "_breaks" if request.htmx.target == "breaks" else "request"
    context = {"form": form, "breaks": breaks, "full": len(breaks) >= MOST_BREAKS}
    return render(request, f"repairs/{template}.html", context)


def _count(given: QueryDict) -> int:
    digits = given.get("breaks", "")
    known = digits.isascii() and digits.isdigit() and len(digits) < 4
    return min(int(digits), MOST_BREAKS) if known else 1


def _bound_breaks(given: QueryDict, profile: Profile) -> list[BreakForm]:
    count = max(1, _count(given))
    return [BreakForm(given, prefix=_prefix(n), profile=profile) for n in range(count)]


def _break(n: int, profile: Profile, initial: dict[str, str] | None = None) -> BreakForm:
    return BreakForm(initial=initial, prefix=_prefix(n), profile=profile)


def _typed(given: QueryDict, n: int, profile: Profile) -> dict[str, str]:
    """What was typed for a break so far, right or wrong."""
    form = _break(n, profile)
    return {name: given.get(form.add_prefix(name), "") for name in form.fields}


def _prefix(n: int) -> str:
    return f"break-{n}"
