"""The first page of each role, and the lists of technicians and the office."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from apps.site.htmx import HtmxRequest

from ..filters import FilterForm, OfficeFilterForm
from ..models import Profile, Repair, Role, Status
from ..models.repair import CLOSED, RepairQuerySet
from .approvals import PER_PAGE, first_page
from .cards import RepairCard, repair_card
from .person import for_person

#: Repairs of each group on the first page of a technician; the list has the others.
MOST_OF_A_GROUP = 20
#: How many of these the page shows before a person unfolds the rest.
SHOWN_OF_A_GROUP = 5


@dataclass(frozen=True)
class Group:
    """The repairs that need the same next step, or the first of them."""

    status: Status
    title: str
    hint: str
    cards: list[RepairCard]
    count: int

    @property
    def has_actions(self) -> bool:
        return any(card.actions for card in self.cards)

    @property
    def shown(self) -> list[RepairCard]:
        return self.cards[:SHOWN_OF_A_GROUP]

    @property
    def folded(self) -> list[RepairCard]:
        """Return the cards that the page shows if asked to."""
        return self.cards[SHOWN_OF_A_GROUP:]

    @property
    def more(self) -> bool:
        return self.count > len(self.cards)


#: A technician's next steps, in the order in which they are best done.
NEXT = [
    (Status.IN_PROGRESS, gettext_noop("Finish"), gettext_noop("You are working on these.")),
    (Status.APPROVED, gettext_noop("Start"), gettext_noop("Approved, and ready when you are.")),
    (Status.REQUESTED, gettext_noop("Look and price"), gettext_noop("These have no estimate yet.")),
    (
        Status.AWAITING_APPROVAL,
        gettext_noop("Wait"),
        gettext_noop("A manager of the fleet decides."),
    ),
    (
        Status.COST_APPROVAL,
        gettext_noop("Wait for the cost"),
        gettext_noop("A manager decides on the higher cost."),
    ),
]


@require_safe
@vary_on_headers("HX-Request")
@for_person
def home(request: HtmxRequest, profile: Profile) -> HttpResponse:
    """Show what this person has to do first, then the other repairs."""
    match profile.role:
        case Role.TECHNICIAN:
            return _technician(request, profile)
        case Role.MANAGER:
            return first_page(request, profile)
        case _:
            return _office(request, profile)


def _technician(request: HtmxRequest, profile: Profile) -> HttpResponse:
    mine = Repair.objects.visible_to(profile).with_details()
    form = FilterForm(request.GET)
    rest = form.narrow(mine) if form.is_active else mine.filter(status__in=CLOSED)
    context = {"profile": profile, "form": form, "page": _page(request, rest)}
    if request.htmx.target == "list":
        return _list(request, context)
    groups = [_group(mine, profile, *step) for step in NEXT]
    context["groups"] = [group for group in groups if group.cards]
    return render(request, "repairs/home_technician.html", context)


def _group(mine: RepairQuerySet, profile: Profile, status: Status, title: str, hint: str) -> Group:
    """Return the repairs of a status that have waited longest, up to MOST_OF_A_GROUP."""
    repairs = mine.filter(status=status)
    first = list(repairs.order_by("updated_at", "pk")[: MOST_OF_A_GROUP + 1])
    count = len(first) if len(first) <= MOST_OF_A_GROUP else repairs.count()
    cards = [repair_card(repair, profile) for repair in first[:MOST_OF_A_GROUP]]
    return Group(status, title, hint, cards, count)


def _office(request: HtmxRequest, profile: Profile) -> HttpResponse:
    form = OfficeFilterForm(request.GET)
    repairs = form.narrow(Repair.objects.visible_to(profile).with_details())
    context = {"profile": profile, "form": form, "page": _page(request, repairs)}
    if request.htmx.target == "list":
        return _list(request, context)
    context["unassigned"] = Repair.objects.visible_to(profile).unassigned().count()
    return render(request, "repairs/home_office.html", context)


def _list(request: HtmxRequest, context: dict[str, Any]) -> HttpResponse:
    return render(request, "repairs/_list.html", context | {"fragment": True})


def _page(request: HtmxRequest, repairs: RepairQuerySet) -> Page[Repair]:
    return Paginator(repairs.in_list_order(), PER_PAGE).get_page(request.GET.get("page"))
