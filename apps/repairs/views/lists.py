"""The first page of each role."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Case, Q, When
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from apps.site.htmx import HtmxRequest

from ..forms import FilterForm, OfficeFilterForm
from ..models import Profile, Repair, Role, Status
from ..models.repair import RepairQuerySet
from .cards import RepairCard, repair_card, together
from .person import for_person

PER_PAGE = 25
#: Approvals on the first page of a manager; the list has the others.
MOST_APPROVALS = 30


@dataclass(frozen=True)
class Group:
    """The repairs that need the same next step."""

    title: str
    hint: str
    cards: list[RepairCard]

    @property
    def has_actions(self) -> bool:
        return any(card.actions for card in self.cards)


#: A technician's next steps, in the order in which they are best done.
NEXT = [
    (Status.IN_PROGRESS, "Finish", "You are working on these."),
    (Status.APPROVED, "Start", "Approved, and ready when you are."),
    (Status.REQUESTED, "Look and price", "These have no estimate yet."),
    (Status.AWAITING_APPROVAL, "Wait", "A manager of the fleet decides."),
]
CLOSED = [Status.COMPLETED, Status.DENIED]


@require_safe
@vary_on_headers("HX-Request")
@for_person
def home(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """Show what this person has to do first, then the other repairs."""
    match profile.role:
        case Role.TECHNICIAN:
            return _technician(request, profile)
        case Role.MANAGER:
            return _manager(request, profile)
        case _:
            return _office(request, profile)


def _technician(request: HtmxRequest, profile: Profile) -> HttpResponse:
    mine = Repair.objects.visible_to(profile).with_details()
    cards = [
        repair_card(repair, profile)
        for repair in mine.exclude(status__in=CLOSED).order_by("created_at", "pk")
    ]
    groups = [
        Group(title, hint, [card for card in cards if card.repair.status == status])
        for status, title, hint in NEXT
    ]
    closed = mine.filter(status__in=CLOSED).order_by("-updated_at", "-pk")
    return render(
        request,
        "repairs/home_technician.html",
        {
            "profile": profile,
            "groups": [group for group in groups if group.cards],
            "page": _page(request, closed),
        },
    )


def _manager(request: HtmxRequest, profile: Profile) -> HttpResponse:
    company = Repair.objects.visible_to(profile).with_details()
    form = FilterForm(request.GET)
    rest = form.narrow(company)
    if not form.is_active:
        rest = rest.exclude(status=Status.AWAITING_APPROVAL)
    context = {"profile": profile, "form": form, "page": _page(request, rest)}
    if request.htmx.target == "list":
        return render(request, "repairs/_list.html", context)
    awaiting = company.filter(status=Status.AWAITING_APPROVAL).select_related("batch__unit")
    waiting = list(awaiting.order_by("created_at", "pk"))
    # Group before the cut, so that a batch is always shown whole.
    cards = together(waiting, profile)
    context |= {
        "waiting": len(waiting),
        "cards": cards[:MOST_APPROVALS],
        "more": len(cards) > MOST_APPROVALS,
    }
    return render(request, "repairs/home_manager.html", context)


def _office(request: HtmxRequest, profile: Profile) -> HttpResponse:
    form = OfficeFilterForm(request.GET)
    repairs = form.narrow(Repair.objects.visible_to(profile).with_details())
    context = {
        "profile": profile,
        "form": form,
        "page": _page(request, _unassigned_first(repairs)),
    }
    if request.htmx.target == "list":
        return render(request, "repairs/_list.html", context)
    unassigned = Repair.objects.visible_to(profile).filter(_unassigned())
    context["unassigned"] = unassigned.count()
    return render(request, "repairs/home_office.html", context)


def _unassigned() -> Q:
    return Q(technician=None) & ~Q(status__in=CLOSED)


def _unassigned_first(repairs: RepairQuerySet) -> RepairQuerySet:
    return repairs.order_by(Case(When(_unassigned(), then=0), default=1), "-created_at", "-pk")


def _page(request: HtmxRequest, repairs: RepairQuerySet) -> Page[Repair]:
    return Paginator(repairs, PER_PAGE).get_page(request.GET.get("page"))
