"""What the office does on a person's page so that messages reach them. Each POST acts once."""

import uuid
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.core.addresses import shown
from apps.core.delivery import transitions
from apps.core.delivery.wakeups import wake_dispatch, wake_unlisting
from apps.core.guards import suppressions
from apps.core.models import Contact, Delivery, Suppression
from apps.core.services import contacts, verification
from apps.core.states import Channel
from apps.site import history
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from ..forms import AddressForm
from .people import find_person, show_person, warn_of_number

CHANGED = {Channel.EMAIL: history.EMAIL_CHANGED, Channel.SMS: history.PHONE_CHANGED}
_MOVED_ON = "Another person was first, or it has moved on: look at it again."


@office_only("core.change_delivery")
@require_POST
def send_again(request: SignedInRequest, pk: int, delivery: uuid.UUID) -> HttpResponse:
    """Send a delivery again, if it is still the attempt that the page showed."""
    row = _delivery(request, pk, delivery)
    if row and transitions.resend(row, request.user.get_username()):
        transaction.on_commit(wake_dispatch)
        messages.success(request, "It is sent again. If the cause is not fixed, it fails again.")
    else:
        messages.info(request, _MOVED_ON)
    return _back(request, pk)


@office_only("core.change_delivery")
@require_POST
def mark_arrived(request: SignedInRequest, pk: int, delivery: uuid.UUID) -> HttpResponse:
    """Record that a message of unknown outcome has arrived."""
    row = _delivery(request, pk, delivery)
    if row and transitions.confirm_arrival(row, request.user.get_username()):
        messages.success(request, "It is marked as arrived.")
    else:
        messages.info(request, _MOVED_ON)
    return _back(request, pk)


@office_only("core.change_suppression")
@require_POST
def lift(request: SignedInRequest, pk: int, suppression: int) -> HttpResponse:
    """Lift the suppression of an address of this person. An objection is its owner's to end."""
    contact = _contact(pk)
    theirs = [contact.email, contact.phone]
    row = get_object_or_404(Suppression, pk=suppression, address__in=theirs)
    if contacts.is_objection(row):
        messages.error(request, "Its owner asked for that: ask them, then change the consent.")
    elif suppressions.lift(row, request.user.get_username()):
        transaction.on_commit(wake_unlisting)
        messages.success(request, f"Messages go to {shown(row.address)} again. Now send again.")
    else:
        messages.info(request, "It was lifted already.")
    return _back(request, pk)


@office_only("core.change_contact")
@require_POST
def confirm(request: SignedInRequest, pk: int, channel: str) -> HttpResponse:
    """Mark the address that the page showed as confirmed by the office."""
    chosen, contact = _channel(channel), _contact(pk)
    address = request.POST.get("address", "")
    is_theirs = address == contact.address(chosen)
    if is_theirs and contacts.confirm_by_word(contact, chosen, address):
        history.record(contact, request.user, history.CONFIRMED[chosen])
        messages.success(request, f"{shown(address)} is confirmed.")
    else:
        messages.info(request, "It is confirmed already, or has changed: look at it again.")
    return _back(request, pk)


@office_only("core.change_contact")
@require_POST
def ask_to_confirm(request: SignedInRequest, pk: int, channel: str) -> HttpResponse:
    """Send the link or code with which the person confirms the address."""
    chosen, contact = _channel(channel), _contact(pk)
    _send_confirmation(request, contact, chosen)
    return _back(request, pk)


@office_only("core.change_contact")
@require_POST
def change_address(request: SignedInRequest, pk: int, channel: str) -> HttpResponse:
    """Change an address, tell the old one, and send the confirmation to the new one."""
    chosen, contact = _channel(channel), _contact(pk)
    form = AddressForm(chosen, request.POST, instance=contact)
    if not form.is_valid():
        return show_person(request, find_person(pk), form)
    if contacts.save(form.instance, [form.name], by=request.user):
        history.record(contact, request.user, CHANGED[chosen])
        if chosen == Channel.SMS:
            warn_of_number(request, contact)
        _send_confirmation(request, contact, chosen)
    else:
        messages.info(request, "That is the address already.")
    return _back(request, pk)


def _send_confirmation(request: SignedInRequest, contact: Contact, channel: Channel) -> None:
    address = contact.address(channel)
    if not address or contact.is_verified(channel):
        messages.info(request, "There is nothing to confirm.")
    elif contacts.suppression_of(contact, channel):
        messages.error(request, f"Nothing is sent to {shown(address)}: lift the suppression first.")
    else:
        try:
            verification.send(contact, channel)
        except verification.TooMany as error:
            messages.error(request, str(error))
        else:
            what = "A link" if channel == Channel.EMAIL else "A code"
            messages.success(request, f"{what} is on its way to {shown(address)}.")


def _delivery(request: SignedInRequest, pk: int, key: uuid.UUID) -> Delivery | None:
    """Return the person's delivery if its attempt is still the one that the page showed."""
    row = get_object_or_404(Delivery, pk=key, notification__recipient=pk)
    return row if request.POST.get("attempt") == str(row.attempts) else None


def _contact(pk: int) -> Contact:
    return get_object_or_404(Contact.objects.select_related("user"), user=pk)


def _channel(name: str) -> Channel:
    if name not in Channel.values:
        raise Http404
    return Channel(name)


def _back(request: SignedInRequest, pk: int) -> Any:
    page = reverse("office:person", args=[pk])
    shown = request.POST.get("show", "")
    return redirect(f"{page}?show={shown}#told" if shown.isalpha() else page)
