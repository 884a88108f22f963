"""The office's page of the brand: change it, look at it, go back to an earlier version."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.message import rendering
from apps.core.models import BrandVersion
from apps.core.services import branding
from apps.site import directory
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import brand_preview
from ..brand_form import BrandForm

PER_PAGE = 20
HOUSE = "Every page and message"
MEANWHILE = (
    "Somebody else changed the brand after you opened this page. See the history, then save again "
    "to replace their version by yours."
)


@office_only("core.add_brandversion")
@require_http_methods(["GET", "POST"])
def show(request: SignedInRequest, group: str = "") -> HttpResponse:
    """Show and change the house's brand, or a company's."""
    companies = _companies(group)
    form = _form(request, group)
    if request.method == "POST" and form.is_valid():
        if not branding.changed(form.instance, form.newest):
            messages.info(request, "Nothing was changed.")
            return _page(group)
        try:
            version = form.publish(request.user)
        except branding.Outdated:
            form.add_error(None, MEANWHILE)
        else:
            messages.success(request, f"Version {version.number} is in effect.")
            return _page(group)
    context = {
        "form": form,
        "group": group,
        "title": companies.get(group, HOUSE),
        "companies": _with_own(companies),
        "samples": brand_preview.samples(),
        "logo_was_lost": form.errors and request.FILES,
        **_history(request, group),
    }
    return render(request, "office/brand.html", context)


@office_only("core.add_brandversion")
@xframe_options_sameorigin
@require_http_methods(["GET", "POST"])
def preview(request: SignedInRequest) -> HttpResponse:
    """Show a sample e-mail in the brand of the form, as far as its fields are valid."""
    given = request.POST if request.method == "POST" else request.GET
    group, known = given.get("group", ""), dict(brand_preview.samples())
    _companies(group)
    form = _form(request, group)
    form.is_valid()
    kind = given.get("kind", "")
    if kind not in known:
        kind = next(iter(known))
    return brand_preview.show(kind, form.draft, _logo(form), rendering.name_of(request.user))


@office_only("core.add_brandversion")
@require_POST
def use_again(request: SignedInRequest, pk: int) -> HttpResponse:
    """Publish an earlier version again."""
    earlier = get_object_or_404(BrandVersion.objects.select_related("logo"), pk=pk)
    try:
        version = branding.publish_again(earlier, by=request.user)
    except branding.Outdated:
        messages.error(request, "Somebody else changed the brand at the same moment. Try again.")
    else:
        messages.success(
            request,
            f"Version {version.number} is in effect. It is the same as version {earlier.number}.",
        )
    return _page(earlier.group)


def _form(request: SignedInRequest, group: str) -> BrandForm:
    if request.method == "POST":
        return BrandForm(request.POST, request.FILES, group=group)
    return BrandForm(group=group)


def _companies(group: str) -> dict[str, str]:
    """Return the companies' names by group; raise Http404 if the group is none of them."""
    companies = directory.companies()
    if group and group not in companies:
        raise Http404
    return companies


def _logo(form: BrandForm) -> Any:
    """Return the logo with its bytes: the draft's own, or the inherited one."""
    if form.instance.logo or not form.group:
        return form.instance.logo
    house = BrandVersion.objects.in_effect().filter(group="").select_related("logo").first()
    return house.logo if house else None


def _with_own(companies: dict[str, str]) -> list[dict[str, Any]]:
    own = set(BrandVersion.objects.values_list("group", flat=True).distinct())
    return [{"group": key, "name": name, "has_own": key in own} for key, name in companies.items()]


def _history(request: SignedInRequest, group: str) -> dict[str, Any]:
    rows = BrandVersion.objects.filter(group=group).select_related("by").order_by("-number")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    numbers = [each for row in page for each in (row.number, row.number - 1)]
    by_number = {row.number: row for row in rows.filter(number__in=numbers)}
    return {
        "page": page,
        "history": [
            {"version": row, "changed": branding.changed(row, by_number.get(row.number - 1))}
            for row in page
        ],
        "newest": rows.values_list("number", flat=True).first() or 0,
    }


def _page(group: str) -> HttpResponse:
    return redirect("office:company-brand", group) if group else redirect("office:brand")
