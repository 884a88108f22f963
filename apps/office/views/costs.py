"""The page that shows what messages cost."""

from datetime import date

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.core.costs.month import Costs
from apps.core.guards import sms_budget
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import costs


@office_only("core.view_smsspend")
@require_safe
def show(request: SignedInRequest) -> HttpResponse:
    """Show one month, by default the present one; `?format=csv` saves it."""
    month = _month(request.GET.get("month", ""))
    found = costs.named(month)
    if request.GET.get("format") == "csv":
        return _csv(found)
    shares = found.text_usd / found.limit_usd if found.limit_usd else 0
    context = {
        "costs": found,
        "counted": costs.counted_words(found),
        "months": costs.months(),
        "percent": round(100 * shares),
        "is_present": month == sms_budget.this_month(),
    }
    return render(request, "office/costs.html", context)


def _month(text: str) -> date:
    try:
        return costs.parse_month(text) if text else sms_budget.this_month()
    except ValueError:
        raise Http404("no such month") from None


def _csv(found: Costs) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"costs-{found.month:%Y-%m}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store, private"
    costs.write_csv(found, response)  # type: ignore[arg-type]
    return response
