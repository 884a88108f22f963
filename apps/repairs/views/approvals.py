"""The first page of a manager: what to approve, and all repairs of the company."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from apps.core.message.kinds import format_money
from apps.site.htmx import HtmxRequest

from .. import services
from ..exceptions import AlreadyDone, NotAllowed
from ..filters import ApprovalFilterForm, FilterForm
from ..models import FleetUnit, Profile, Repair, RepairBatch, RepairEvent, Status
from ..models.repair import RepairQuerySet
from ..permissions import Action
from .actions import undo_url
from .cards import card_key, sum_of, together, undecided
from .person import batch_of, for_person, repair_of, warn_of_limit

PER_PAGE = 25
#: Repairs and batches that are offered for approval on one page.
MOST_APPROVALS = 30


def first_page(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """Show one of the two tabs; htmx gets the list alone."""
    is_all = request.GET.get("tab") == "all" or bool(request.GET.get("status"))
    context = _all(request, profile) if is_all else _to_approve(request, profile)
    if request.htmx.target == "list":
        context["fragment"] = True
        return render(request, context["list"], context)
    context["count"] = Repair.objects.visible_to(profile).count()
    if not context["count"]:
        context["has_vehicles"] = FleetUnit.objects.visible_to(profile).exists()
    return render(request, "repairs/home_manager.html", context)


def _all(request: HtmxRequest, profile: Profile) -> dict[str, Any]:
    form = FilterForm(request.GET)
    repairs = form.narrow(Repair.objects.visible_to(profile).with_details())
    page = Paginator(repairs.in_list_order(), PER_PAGE).get_page(request.GET.get("page"))
    shown = {"tab": "all", "list": "repairs/_list.html", "form": form, "page": page}
    return {"profile": profile, **shown, **undecided(profile)}


def _to_approve(request: HtmxRequest, profile: Profile) -> dict[str, Any]:
    form = ApprovalFilterForm(request.POST if request.method == "POST" else request.GET)
    awaiting = form.narrow(Repair.objects.visible_to(profile).with_details().undecided())
    first, more = _first_approvals(awaiting.longest_waiting_first())
    shown = {"tab": "", "list": "repairs/_approvals.html", "form": form, "more": more}
    return {"profile": profile, "cards": together(first, profile), **shown, **undecided(profile)}


def _first_approvals(awaiting: RepairQuerySet) -> tuple[RepairQuerySet, bool]:
    """Return the repairs of the first MOST_APPROVALS cards, and whether there are more cards.

    A batch is one card, so it is never cut.
    """
    rows = [(repair.pk, card_key(repair)) for repair in awaiting.select_related(None)]
    cards = list(dict.fromkeys(key for _, key in rows))
    shown = set(cards[:MOST_APPROVALS])
    chosen = [pk for pk, key in rows if key in shown]
    # An approval grants all breaks of a batch, also those that do not match the search.
    batches = [pk for kind, pk in shown if kind == "batch"]
    breaks = Q(batch__in=batches, status=Status.AWAITING_APPROVAL)
    first = Repair.objects.filter(Q(pk__in=chosen) | breaks).with_details()
    first = first.select_related("batch__unit").prefetch_related("photos")
    return first.longest_waiting_first(), len(cards) > len(shown)


@dataclass(frozen=True)
class Approved:
    """What an approval granted (US dollars), and the event that an undo takes back."""

    about: Repair | RepairBatch
    event: RepairEvent
    amount: Decimal


@require_POST
@for_person
def approve_several(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """Approve what was selected, each by itself, and say of each what came of it."""
    selected = request.POST.getlist("selected")[:MOST_APPROVALS]
    if not selected:
        messages.info(request, gettext("Nothing was approved: select the repairs first."))
    approved: list[Approved] = []
    for choice in selected:
        try:
            approved.append(_approve(profile, choice))
        except AlreadyDone as notice:
            messages.info(request, str(notice))
        except NotAllowed as refusal:
            messages.error(request, str(refusal))
        except (Http404, ValueError):
            messages.error(request, gettext("One of the selected repairs is not there any more."))
    _tell(request, profile, approved)
    if not request.htmx:
        return redirect("repairs:home")
    context = {**_to_approve(request, profile), "fragment": True, "answers": True}
    return render(request, "repairs/_approvals.html", context)


def _approve(profile: Profile, choice: str) -> Approved:
    """Approve what the value of a checkbox names, as in "approve-42"."""
    action, _dash, key = choice.rpartition("-")
    if action == Action.APPROVE_BATCH:
        batch = batch_of(profile, int(key))
        events = services.approve_batch(batch, by=profile)
        return Approved(batch, events[0], sum_of(event.repair for event in events))
    repair = repair_of(profile, int(key))
    if action == Action.APPROVE_COST:
        event = services.approve_cost(repair, by=profile)
        return Approved(repair, event, repair.final_cost or Decimal(0))
    event = services.approve(repair, by=profile)
    return Approved(repair, event, repair.estimate or Decimal(0))


def _tell(request: HtmxRequest, profile: Profile, approved: Sequence[Approved]) -> None:
    if len(approved) > 1:
        total = format_money(sum((each.amount for each in approved), Decimal(0)))
        count = len(approved)
        messages.success(
            request, gettext("{count} approved, {total} in all.").format(count=count, total=total)
        )
    for each in approved:
        words = {"number": each.about.number, "amount": format_money(each.amount)}
        messages.success(
            request,
            gettext("{number} is approved: {amount}.").format(**words),
            extra_tags=undo_url(each.event),
        )
    if approved:
        warn_of_limit(request, profile, approved[-1].about)
