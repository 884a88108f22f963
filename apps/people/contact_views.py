"""A person's own contact details: addresses, their confirmation, and consent to texts."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.core.addresses import shown
from apps.core.models import Contact
from apps.core.models.contact import ConsentVia, is_unassigned
from apps.core.services import contacts, verification
from apps.core.services.verification import Result
from apps.core.states import Channel
from apps.site import throttle
from apps.site.sign_in import sign_in_required

from . import contact as contact_page
from . import owners
from .contact_forms import CodeForm, EmailForm, PhoneForm

#: What is said about an address that stayed, was removed, or was changed.
SAME = {
    Channel.EMAIL: gettext_lazy("Your e-mail address is the same as before."),
    Channel.SMS: gettext_lazy("Your mobile number is the same as before."),
}
REMOVED = {
    Channel.EMAIL: gettext_lazy("Your e-mail address is removed."),
    Channel.SMS: gettext_lazy("Your mobile number is removed."),
}
SENT = {
    Channel.EMAIL: gettext_lazy("A link is on its way to {address}."),
    Channel.SMS: gettext_lazy("A code is on its way to {address}."),
}
SAVED = {
    Channel.EMAIL: gettext_lazy(
        "Your e-mail address is saved. No e-mail comes until you confirm it."
    ),
    Channel.SMS: gettext_lazy(
        "Your mobile number is saved. No text messages come until you confirm it."
    ),
}
View = Callable[..., HttpResponse]


def _for_contact(view: View) -> View:
    """Pass the signed-in user's contact to the view."""

    @sign_in_required
    @wraps(view)
    def with_contact(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return view(request, contact_page.of(request.user), **kwargs)

    return with_contact


@require_safe
@_for_contact
def details(request: HttpRequest, contact: Contact) -> HttpResponse:
    return _page(request, contact)


@require_POST
@_for_contact
def change_email(request: HttpRequest, contact: Contact) -> HttpResponse:
    return _change(request, contact, EmailForm(request.POST, instance=contact), Channel.EMAIL)


@require_POST
@_for_contact
def change_phone(request: HttpRequest, contact: Contact) -> HttpResponse:
    return _change(request, contact, PhoneForm(request.POST, instance=contact), Channel.SMS)


@require_POST
@_for_contact
def send(request: HttpRequest, contact: Contact, channel: str) -> HttpResponse:
    """Send the link or the code for an address that is not confirmed."""
    chosen = Channel.EMAIL if channel == "email" else Channel.SMS
    where = contact_page.details(contact)["email" if chosen == Channel.EMAIL else "phone"]
    if chosen == Channel.SMS and not settings.SMS_ENABLED:
        messages.error(request, gettext("Text messages are switched off at the moment."))
    elif where.can_be_confirmed:
        try:
            verification.send(contact, chosen, network=throttle.network_of(request))
        except verification.TooMany as error:
            messages.error(request, str(error))
        else:
            messages.success(request, SENT[chosen].format(address=shown(where.text)))
    return redirect("contact:details")


@require_POST
@_for_contact
def enter_code(request: HttpRequest, contact: Contact) -> HttpResponse:
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _page(request, contact, form)
    result = verification.confirm_phone(contact, form.cleaned_data["code"])
    if result == Result.WRONG:
        form.add_error("code", gettext("That is not the code. Look at the newest text message."))
        return _page(request, contact, form)
    if result == Result.OVER:
        messages.error(request, gettext("That code is not valid any more. Have a new one sent."))
        return redirect("contact:details")
    if form.cleaned_data["agree"]:
        contacts.agree_to_texts(contact, ConsentVia.PAGE, by=contact.user.get_username())
    messages.success(request, gettext("Your mobile number is confirmed."))
    return redirect("contact:details")


@require_POST
@_for_contact
def texts(request: HttpRequest, contact: Contact) -> HttpResponse:
    """Record that the person agrees to text messages, or no longer does."""
    if request.POST.get("agree") == "yes":
        contacts.agree_to_texts(contact, ConsentVia.PAGE, by=contact.user.get_username())
        messages.success(request, gettext("Text messages are on."))
    else:
        contacts.end_texts(contact, ConsentVia.PAGE)
        messages.success(request, gettext("Text messages are off."))
    return redirect("contact:details")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an address by POST; a GET, as of a link scanner, changes nothing.

    Needs no sign-in: a person who has the link can read the mailbox.
    """
    row = verification.find(token)
    if row is None:
        return render(request, "people/confirm_over.html", status=410)
    result = verification.confirm_email(token) if request.method == "POST" else None
    verified = Contact.objects.get(user=row.user_id).is_verified(Channel.EMAIL)
    if result == Result.OVER and not verified:
        return render(request, "people/confirm_over.html", status=410)
    with translation.override(owners.language_of(row.user_id)):
        return render(request, "people/confirm_email.html", {"row": row, "is_confirmed": verified})


def _change(
    request: HttpRequest, contact: Contact, form: forms.ModelForm, channel: Channel
) -> HttpResponse:
    if not form.is_valid():
        return _page(request, contact, form)
    if channel not in contacts.save(form.instance, list(form.fields), by=contact.user):
        messages.info(request, SAME[channel])
    elif not form.instance.address(channel):
        messages.warning(request, REMOVED[channel])
    else:
        messages.warning(request, SAVED[channel])
        if channel == Channel.SMS and is_unassigned(form.instance.phone):
            messages.warning(
                request,
                gettext("No known phone network has this number. It may be new; check its digits."),
            )
    return redirect("contact:details")


def _page(request: HttpRequest, contact: Contact, *forms_with_errors: Any) -> HttpResponse:
    context = contact_page.details(contact, *forms_with_errors)
    return render(request, "people/contact.html", context)
