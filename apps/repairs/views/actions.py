"""The actions on repairs. They work without JavaScript; htmx gets fragments."""

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from apps.core.message.stored_words import translated
from apps.site.htmx import HtmxRequest

from .. import services
from .. import undo as undoing
from ..exceptions import AlreadyDone, NotAllowed
from ..forms import AssignForm, CompleteForm, DenyForm, EstimateForm
from ..models import Profile, Repair, RepairBatch, RepairEvent, Role
from ..permissions import Action, actions_for
from .cards import BatchCard, RepairCard, batch_card, came_to, now_is, repair_card, undecided
from .pages import batch_context, detail_context
from .person import batch_of, for_person, repair_of, warn_of_limit

Done = TypeVar("Done")


@require_POST
@for_person
def approve(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    _carry_out(
        request,
        profile,
        repair,
        lambda: services.approve(repair, by=profile),
        lambda _event: now_is(repair),
    )
    return _answer(request, profile, pk)


@require_POST
@for_person
def start(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    _carry_out(
        request,
        profile,
        repair,
        lambda: services.start(repair, by=profile),
        lambda _event: now_is(repair),
    )
    return _answer(request, profile, pk)


@require_POST
@for_person
def approve_batch(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    batch = batch_of(profile, pk)
    _carry_out(
        request,
        profile,
        batch,
        lambda: services.approve_batch(batch, by=profile),
        lambda events: ngettext(
            "{count} break of {number} approved.",
            "{count} breaks of {number} approved.",
            len(events),
        ).format(count=len(events), number=batch.number),
    )
    return _answer_batch(request, profile, batch)


def _answer_batch(request: HtmxRequest, profile: Profile, batch: RepairBatch) -> HttpResponse:
    """Redirect to the batch, or return the fragment that htmx asked for."""
    if not request.htmx:
        return redirect(batch)
    if request.htmx.target == "batch":
        return _fragment(request, "repairs/_batch.html", batch_context(batch, profile))
    repairs = batch.repairs.visible_to(profile).with_details().longest_waiting_first()
    repairs = repairs.prefetch_related("photos")
    return _card(request, profile, batch_card(batch, repairs, profile))


@require_http_methods(["GET", "POST"])
@for_person
def deny_batch(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    """Deny all breaks that wait, with one reason."""
    batch, form = batch_of(profile, pk), DenyForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        _carry_out(
            request,
            profile,
            batch,
            lambda: services.deny_batch(batch, reason, by=profile),
            gettext("{number} is denied.").format(number=batch.number),
        )
        return redirect(batch)
    context = batch_context(batch, profile)
    if not context["card"].may_approve:
        return redirect(batch)
    return render(request, "repairs/deny_batch.html", context | {"form": form})


@require_http_methods(["GET", "POST"])
@for_person
def deny(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    return _fill_in(
        request,
        profile,
        repair,
        Action.DENY,
        DenyForm(_posted(request)),
        lambda given: services.deny(repair, given["reason"], by=profile),
        lambda _event: now_is(repair),
    )


@require_POST
@for_person
def approve_cost(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    _carry_out(
        request,
        profile,
        repair,
        lambda: services.approve_cost(repair, by=profile),
        lambda _event: came_to(Action.APPROVE_COST, repair),
    )
    return _answer(request, profile, pk)


@require_http_methods(["GET", "POST"])
@for_person
def deny_cost(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    return _fill_in(
        request,
        profile,
        repair,
        Action.DENY_COST,
        DenyForm(_posted(request)),
        lambda given: services.deny_cost(repair, given["reason"], by=profile),
        lambda _event: came_to(Action.DENY_COST, repair),
    )


@require_POST
@for_person
def undo(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    """Take back an action of this person; answer with what they saw it on."""
    event = get_object_or_404(RepairEvent.objects.select_related("repair"), pk=pk, actor=profile)
    repair = repair_of(profile, event.repair_id)
    try:
        about = undoing.undo(event, by=profile)
    except NotAllowed as refusal:
        messages.error(request, str(refusal))
        about = repair
    else:
        repair.refresh_from_db()
        words = gettext("Undone: {number} is {status} again.").format(
            number=about.number, status=translated(repair.get_status_display()).lower()
        )
        messages.success(request, words)
    if (request.htmx.target or "").startswith("flash-"):
        return _fragment(request, "_flashes.html", {}, trigger="repairs-changed")
    if isinstance(about, RepairBatch) or (request.htmx.target or "").startswith("batch"):
        return _answer_batch(request, profile, batch_of(profile, repair.batch_id or 0))
    return _answer(request, profile, repair.pk)


@require_http_methods(["GET", "POST"])
@for_person
def estimate(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    return _fill_in(
        request,
        profile,
        repair,
        Action.SUBMIT_ESTIMATE,
        EstimateForm(_posted(request), _uploaded(request)),
        lambda given: services.submit_estimate(
            repair, given["amount"], by=profile, photo=given["photo"]
        ),
        gettext("{number} is priced.").format(number=repair.number),
    )


@require_http_methods(["GET", "POST"])
@for_person
def complete(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    return _fill_in(
        request,
        profile,
        repair,
        Action.COMPLETE,
        CompleteForm(_posted(request), _uploaded(request), estimate=repair.estimate),
        lambda given: services.complete(
            repair, given["amount"], by=profile, reason=given["reason"], photo=given["photo"]
        ),
        lambda _event: now_is(repair),
    )


@require_http_methods(["GET", "POST"])
@for_person
def assign(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    repair = repair_of(profile, pk)
    return _fill_in(
        request,
        profile,
        repair,
        Action.ASSIGN,
        AssignForm(_posted(request), current=repair.technician),
        lambda given: services.assign(repair, given["technician"], by=profile),
        gettext("{number} is assigned.").format(number=repair.number),
    )


def _posted(request: HtmxRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _uploaded(request: HtmxRequest) -> MultiValueDict | None:
    return request.FILES if request.method == "POST" else None


def _fill_in(
    request: HtmxRequest,
    profile: Profile,
    repair: Repair,
    action: Action,
    form: forms.Form,
    do: Callable[[dict[str, Any]], Done],
    said: str | Callable[[Done], str],
) -> HttpResponse:
    """Show the action's form until it is valid, then act and redirect to the repair."""
    if request.method == "POST" and form.is_valid():
        _carry_out(request, profile, repair, lambda: do(form.cleaned_data), said)
        return redirect(repair)
    if action not in actions_for(repair, profile):
        return redirect(repair)
    context = {
        "repair": repair,
        "form": form,
        "action": action,
        "photo_was_lost": bool(request.FILES),
    }
    return render(request, "repairs/act.html", context)


def _carry_out(
    request: HtmxRequest,
    profile: Profile,
    about: Repair | RepairBatch,
    do: Callable[[], Done],
    said: str | Callable[[Done], str],
) -> None:
    """Act, and tell the user the result in a message."""
    try:
        done = do()
    except AlreadyDone as notice:
        messages.info(request, str(notice))
    except NotAllowed as refusal:
        messages.error(request, str(refusal))
    else:
        words = said if isinstance(said, str) else said(done)
        messages.success(request, words, extra_tags=undo_url(done))
        warn_of_limit(request, profile, about)


def undo_url(done: object) -> str:
    """Return where to undo what a service has done, "" if it cannot be undone."""
    event = done[0] if isinstance(done, list) else done
    return reverse("repairs:undo", args=[event.pk]) if isinstance(event, RepairEvent) else ""


def _answer(request: HtmxRequest, profile: Profile, pk: int) -> HttpResponse:
    """Redirect to the repair, or return the fragment that htmx asked for."""
    if not request.htmx:
        return redirect("repairs:detail", pk=pk)
    repair = repair_of(profile, pk)
    if request.htmx.target == "repair":
        return _fragment(request, "repairs/_repair.html", detail_context(repair, profile))
    return _card(request, profile, repair_card(repair, profile))


def _card(request: HtmxRequest, profile: Profile, card: RepairCard | BatchCard) -> HttpResponse:
    """Return a card of the first page; a manager gets the number of approvals that still wait."""
    context: dict[str, Any] = {"profile": profile, "card": card}
    if profile.role != Role.MANAGER:
        return _fragment(request, "repairs/_card.html", context)
    return _fragment(request, "repairs/_approval.html", context | undecided(profile))


def _fragment(
    request: HtmxRequest, template: str, context: dict[str, Any], *, trigger: str = ""
) -> HttpResponse:
    """Return the fragment; `trigger` is an event for the rest of the page."""
    answer = render(request, template, context | {"fragment": True})
    return trigger_client_event(answer, trigger) if trigger else answer
