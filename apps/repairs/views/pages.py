"""The page of one repair and the page of one batch."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from apps.core.message.stored_words import translated
from apps.site.office import may_see_people

from .. import told
from ..forms import AssignForm, CompleteForm, EstimateForm, PhotoForm
from ..models import EventAction, Profile, Repair, RepairBatch, RepairPhoto, Status
from ..permissions import Action, may
from .cards import batch_card, repair_card
from .person import batch_of, for_person, mark_read, repair_of

#: Labels that would be too wide for a step on a phone.
SHORT = {Status.COST_APPROVAL: gettext_noop("Cost approval")}


@dataclass(frozen=True)
class ProgressStep:
    """One step of a repair's progress; `place` is past, here or ahead."""

    label: str
    place: str


@require_safe
@for_person
def detail(request: HttpRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    mark_read(request, profile, repair)
    return render(request, "repairs/detail.html", detail_context(repair, profile))


@require_safe
@for_person
def batch(request: HttpRequest, profile: Profile, pk: int) -> HttpResponse:
    shown = batch_of(profile, pk)
    mark_read(request, profile, shown)
    return render(request, "repairs/batch.html", batch_context(shown, profile))


def detail_context(repair: Repair, profile: Profile) -> dict[str, Any]:
    card = repair_card(repair, profile)
    events = list(repair.events.select_related("actor__user").order_by("-at", "-pk"))
    denials = (event.actor for event in events if event.action == EventAction.DENIED)
    if may_see_people(profile.user):
        told.add_to(events, repair)
    context: dict[str, Any] = {
        "profile": profile,
        "card": card,
        "repair": repair,
        "steps": steps(repair),
        "events": events,
        "denied_by": next(denials, None),
        **photos_context(repair, profile),
    }
    if repair.batch and Action.APPROVE_BATCH in card.actions:
        siblings = repair.batch.repairs.visible_to(profile).with_details()
        context["batch_card"] = batch_card(repair.batch, siblings, profile)
    if Action.SUBMIT_ESTIMATE in card.actions:
        context["estimate_form"] = EstimateForm()
    if Action.COMPLETE in card.actions:
        context["complete_form"] = CompleteForm(estimate=repair.estimate)
    if Action.ASSIGN in card.actions:
        context["assign_form"] = AssignForm(current=repair.technician)
    return context


def photos_context(repair: Repair, profile: Profile) -> dict[str, Any]:
    """Return the repair's photos, and what this person may do with them."""
    context: dict[str, Any] = {
        "photos": repair.photos.select_related("uploaded_by__user"),
        "may_remove_photos": may(Action.REMOVE_PHOTO, repair, profile),
    }
    if may(Action.ADD_PHOTO, repair, profile):
        context["photo_form"] = PhotoForm(repair=repair)
    return context


def batch_context(batch: RepairBatch, profile: Profile) -> dict[str, Any]:
    repairs = batch.repairs.visible_to(profile).with_details().order_by("pk")
    card = batch_card(batch, repairs, profile)
    photos = RepairPhoto.objects.filter(repair__in=card.repairs)
    photos = photos.select_related("repair", "uploaded_by__user").order_by(
        "repair_id", "created_at"
    )
    return {"profile": profile, "card": card, "photos": photos}


def steps(repair: Repair) -> list[ProgressStep]:
    """Return the steps of this repair. A denial replaces the approval and ends them."""
    way = [Status.REQUESTED, Status.AWAITING_APPROVAL]
    if repair.status == Status.DENIED:
        way.append(Status.DENIED)
    else:
        # The work is done when its cost waits.
        is_cost = repair.status == Status.COST_APPROVAL
        way += [Status.APPROVED, Status.COST_APPROVAL if is_cost else Status.IN_PROGRESS]
        way.append(Status.COMPLETED)
    here = way.index(Status(repair.status))
    places = ["past"] * here + ["here"] + ["ahead"] * (len(way) - here - 1)
    return [
        ProgressStep(translated(SHORT.get(status, str(status.label))), place)
        for status, place in zip(way, places, strict=True)
    ]
