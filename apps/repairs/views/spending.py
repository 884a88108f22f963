"""What a manager's company spends on repairs: a table, and the same as CSV."""

import csv
from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from apps.site.spreadsheets import harmless

from .. import spend
from ..filters import SpendForm
from ..models import Company, Profile
from .person import for_person


@require_safe
@for_person
def table(request: HttpRequest, profile: Profile) -> HttpResponse:
    company, form = _company(profile), SpendForm(request.GET)
    report = spend.report(company, form.months)
    context = {"company": company, "form": form, "report": report}
    return render(request, "repairs/spend.html", context)


@require_safe
@for_person
def as_csv(request: HttpRequest, profile: Profile) -> HttpResponse:
    company, form = _company(profile), SpendForm(request.GET)
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"repairs-{timezone.localdate():%Y-%m-%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store, private"
    # Excel takes a file without this mark for one in the computer's own encoding.
    answer.write("\ufeff")
    csv.writer(answer).writerows(_lines(spend.report(company, form.months)))
    return answer


def _company(profile: Profile) -> Company:
    if profile.company is None:
        raise Http404
    return profile.company


def _lines(report: spend.Report) -> Iterator[list[object]]:
    """Yield the heading, then a line for each unit and month with repairs; US dollars."""
    yield [
        gettext("Month"),
        gettext("Unit"),
        gettext("Vehicle"),
        gettext("License plate"),
        gettext("Repairs"),
        gettext("Approved estimates, US$"),
        gettext("Final cost, US$"),
        gettext("Not finished yet, US$"),
        gettext("Total, US$"),
    ]
    for unit in report.units:
        words = [harmless(word) for word in (unit.number, unit.vehicle, unit.plate)]
        for month, cost in zip(report.months, unit.months, strict=True):
            if cost.repairs:
                costs = [cost.estimates, cost.final, cost.open, cost.total]
                yield [f"{month:%Y-%m}", *words, cost.repairs, *costs]
