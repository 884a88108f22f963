"""The account page: what reaches a person, where and when.

The office sees and changes anyone's on the same page; who did it is kept with each choice.
"""

import zoneinfo
from collections.abc import Callable
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import cache, wraps
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.core.delivery import folding, holds
from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.guards import sms_budget
from apps.core.message import rendering, segments
from apps.core.models import Contact, Notification
from apps.core.models.preferences import ChoiceVia
from apps.core.services import preferences
from apps.site import directory, history, personal_data
from apps.site.htmx import HtmxRequest
from apps.site.office import may
from apps.site.sign_in import SignedInRequest, sign_in_required

from .. import wishes
from ..replay import Replay, replay
from ..wishes import WishesForm

MONTH = timedelta(days=30)
#: Messages of the last month that are replayed, the newest first.
MOST_REPLAYED = 1000
MORNING = time(7)
#: Earlier choices that the page lists.
MOST_CHANGES = 10

View = Callable[..., HttpResponse]


class AccountRequest(SignedInRequest, HtmxRequest):
    """A request about the account of `owner`, by the same person or by the office."""

    owner: User
    is_own: bool


def _for_owner(view: View) -> View:
    """Set `request.owner`: the signed-in user, or for the office the one whom the URL names."""

    @sign_in_required
    @wraps(view)
    def with_owner(request: Any, pk: int | None = None) -> HttpResponse:
        if pk is not None and not may(request.user, "core.change_preferences"):
            raise PermissionDenied(gettext("Only the office may see the settings of others."))
        request.owner = request.user if pk is None else get_object_or_404(User, pk=pk)
        request.is_own = request.owner.pk == request.user.pk
        return view(request)

    return with_owner


class PauseForm(forms.Form):
    """Until when to pause, and the deputy who gets what cannot wait meanwhile."""

    HOUR, MORNING, DATE, END = "hour", "morning", "date", "end"
    until = forms.ChoiceField(
        choices=[
            (HOUR, gettext_lazy("One hour")),
            (MORNING, gettext_lazy("Until tomorrow, 7:00 AM")),
            (DATE, gettext_lazy("Until the morning of a date")),
            (END, gettext_lazy("End the pause")),
        ],
        error_messages={"required": gettext_lazy("Choose for how long.")},
    )
    date = forms.DateField(
        label=gettext_lazy("Date"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, owner: User, given: Any = None) -> None:
        super().__init__(given)
        peers = directory.get().peers(owner)
        self.fields["deputy"] = forms.ModelChoiceField(
            label=gettext("Who gets approvals meanwhile?"),
            queryset=peers,
            required=False,
            empty_label=gettext("Nobody"),
            help_text="" if peers.exists() else gettext("You have no colleague who could."),
        )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("until") == self.DATE and "date" not in self.errors:
            if not given.get("date"):
                self.add_error("date", gettext("Give the date."))
            elif given["date"] <= timezone.localdate():
                self.add_error("date", gettext("Give a date that is still to come."))
        return given

    def moment(self) -> datetime | None:
        """Return the end of the pause, in the owner's time zone; None ends it now."""
        match self.cleaned_data["until"]:
            case self.HOUR:
                return timezone.now() + timedelta(hours=1)
            case self.MORNING:
                return _morning(timezone.localdate() + timedelta(days=1))
            case self.DATE:
                return _morning(self.cleaned_data["date"])
        return None


@cache
def _zones() -> list[str]:
    # It reads the machine's tables each time.
    return sorted(zoneinfo.available_timezones())


@require_http_methods(["GET", "POST"])
@_for_owner
def show(request: AccountRequest) -> HttpResponse:
    """Show the settings, and save those that were changed."""
    form = WishesForm(wishes.load(request.owner), request.POST or None)
    if request.method != "POST":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, is_tried=True)
    if form.has_changed():
        via = ChoiceVia.PAGE if request.is_own else ChoiceVia.OFFICE
        form.save(request.owner, via=via, by=request.user)
        messages.success(request, gettext("Saved."))
    else:
        messages.info(request, gettext("Nothing was changed."))
    return _back(request)


@require_POST
@_for_owner
def preview(request: AccountRequest) -> HttpResponse:
    """Show the last month under the settings of the form, which are not saved."""
    form = WishesForm(wishes.load(request.owner), request.POST)
    if request.htmx:
        return render(request, "people/_replay.html", _context(request, form))
    return _page(request, form, is_tried=True)


@require_POST
@_for_owner
def pause(request: AccountRequest) -> HttpResponse:
    """Pause what is not urgent, or end the pause."""
    form = PauseForm(request.owner, request.POST)
    if not form.is_valid():
        return _page(request, WishesForm(wishes.load(request.owner)), pause_form=form)
    until = form.moment()
    row = preferences.pause(request.owner, until, deputy=form.cleaned_data["deputy"])
    history.record(row, request.user, history.PAUSED if until else history.PAUSE_ENDED)
    messages.success(
        request, gettext("Messages are paused.") if until else gettext("Messages come again.")
    )
    return _back(request)


@require_POST
@_for_owner
def zone(request: AccountRequest) -> HttpResponse:
    """Confirm the time zone; a `guess` of the browser replaces no confirmed one."""
    is_guess = "guess" in request.POST
    name = request.POST.get("zone", "")
    try:
        preferences.set_time_zone(request.owner, name, is_confirmed=not is_guess)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return _back(request)
    if is_guess:
        # The page already shows it, to be confirmed.
        return HttpResponse(status=204)
    messages.success(request, gettext("The time zone is saved."))
    return _back(request)


@require_POST
@_for_owner
def language(request: AccountRequest) -> HttpResponse:
    """Set the language of pages and messages, from the next page on."""
    code = request.POST.get("language", "")
    try:
        is_new = preferences.set_language(request.owner, code)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return _back(request)
    if is_new:
        row = preferences.of_person(request.owner)
        history.record(row, request.user, history.LANGUAGE_CHANGED)
    with translation.override(code or translation.get_language_from_request(request)):
        messages.success(request, gettext("The language is saved."))
    return _back(request)


@require_POST
@_for_owner
def send_now(request: AccountRequest) -> HttpResponse:
    """Send what waits for the person's time, because they asked."""
    sent = folding.send_now(request.owner.pk)
    said = ngettext("{n} message on the way.", "{n} messages on the way.", sent).format(n=sent)
    messages.success(request, said)
    return _back(request)


@require_safe
@_for_owner
def data(request: AccountRequest) -> HttpResponse:
    """Return everything that is stored about the signed-in person, as a JSON file."""
    return personal_data.download(request.owner)


def _page(
    request: AccountRequest,
    form: WishesForm,
    *,
    is_tried: bool = False,
    pause_form: PauseForm | None = None,
) -> HttpResponse:
    context = _context(request, form) | {
        "is_tried": is_tried,
        "contact": Contact.objects.filter(user=request.owner).first(),
        "held": holds.waiting(request.owner.pk),
        "times": preferences.of_person(request.owner),
        "pause_form": pause_form or PauseForm(request.owner),
        "languages": settings.LANGUAGES,
        "zones": _zones(),
        "zone": _zone_of(request.owner),
        "changes": history.of(request.owner, MOST_CHANGES),
        "now": timezone.now(),
    }
    return render(request, "people/account.html", context)


def _context(request: AccountRequest, form: WishesForm) -> dict[str, Any]:
    return {
        "owner": request.owner,
        "is_own": request.is_own,
        "form": form,
        "cards": wishes.cards(form, timezone.now()),
        "replay": _replay(request.owner, form),
    }


def _replay(owner: User, form: WishesForm) -> Replay:
    since = timezone.now() - MONTH
    rows = Notification.objects.visible_to(owner).filter(visible_from__gt=since)
    number = getattr(getattr(owner, "contact", None), "phone", "")

    def price(row: Notification) -> Decimal:
        try:
            parts = segments.count(rendering.sms(row).text).parts
        except (InvalidContext, UnknownKind):
            # An old message whose kind has changed since: most have one part.
            parts = 1
        return sms_budget.price(number, parts)

    return replay(rows.select_related("recipient")[:MOST_REPLAYED], form.as_person(), price)


def _zone_of(owner: User) -> str:
    contact = getattr(owner, "contact", None)
    return contact.time_zone if contact else timezone.get_default_timezone_name()


def _morning(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, MORNING))


def _back(request: AccountRequest) -> HttpResponse:
    if request.is_own:
        return redirect("account:show")
    return redirect("account:of", pk=request.owner.pk)
