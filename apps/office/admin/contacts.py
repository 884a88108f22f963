"""The admin of contacts: how each person is reached, and what they agreed to."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime
from unfold.widgets import INPUT_CLASSES, UnfoldBooleanWidget

from apps.core.addresses import shown
from apps.core.message import kinds
from apps.core.models import Choice, Contact
from apps.core.models.contact import ConsentVia, is_unassigned
from apps.core.services import contacts, verification
from apps.core.states import Channel
from apps.site import history
from apps.site.page_actions import PageActions

from ..search import SearchMixin, person_fields
from . import links
from .once import once

#: The message to a member of staff who has ticked a consent that a STOP or complaint withdrew.
_LIFTED = {
    Channel.EMAIL: (
        "The owner of the address had complained; that suppression is lifted. A worker tells "
        "SES; the list of suppressions shows the result."
    ),
    Channel.SMS: (
        "The owner of the number had answered STOP; that suppression is lifted. A worker tells "
        "SNS, which accepts it once in 30 days; the list of suppressions shows the result."
    ),
}


_MESSAGES = {Channel.EMAIL: "e-mail", Channel.SMS: "text messages"}
#: The channels whose addresses an action confirms.
_CONFIRMED_BY = {
    "send_confirmations": frozenset(Channel),
    "confirm_email": frozenset({Channel.EMAIL}),
    "confirm_phone": frozenset({Channel.SMS}),
}
_CONFIRM = (
    " The person confirms it with a link or a code: choose the action of this contact "
    "that sends it. If you have checked it with them, choose the action that confirms it."
)


def _reachable(contact: Contact | None) -> set[Channel]:
    return {channel for channel in Channel if contact and not contact.why_not(channel)}


class ContactForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The field has a widget of its own, without unfold's classes. Who may only look has none.
        if "phone" in self.fields:
            self.fields["phone"].widget.attrs["class"] = " ".join(INPUT_CLASSES)

    send_confirmation = forms.BooleanField(
        label="Send the confirmation",
        help_text="E-mails a link to a new address and texts a code to a new number. Until they "
        "are confirmed, nothing else is sent there.",
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget,
    )


def _state(contact: Contact, channel: Channel) -> str:
    """Return whether the address is confirmed, and whether it is suppressed, with a link."""
    if not contact.address(channel):
        return "Missing"
    confirmed = "Confirmed" if contact.is_verified(channel) else "Not confirmed"
    if suppressed := contacts.suppression_of(contact, channel):
        why = f"suppressed: {suppressed.get_reason_display()}"
        return format_html("{}; {}", confirmed, links.to(suppressed, why))
    return confirmed


def _chosen(made: Choice) -> str:
    category = next((each.label for each in _categories() if each.name == made.category), "")
    return (
        f"{made.get_channel_display()}, {category or made.category or 'every category'}: "
        f"{made.get_setting_display()} ({made.get_via_display()}, "
        f"{date_format(localtime(made.at), 'M j, Y')})"
    )


def _categories() -> set[kinds.Category]:
    return {kind.category for kind in kinds.REGISTRY.values()}


def _label(contact: Contact, channel: Channel) -> str:
    reason = contact.why_not(channel)
    return str(reason.label) if reason else ""


#: What the office enters.
_ENTERED = [
    "user",
    "email",
    "wants_email",
    "phone",
    "sms_opt_in",
    "time_zone",
    "language",
]


@admin.register(Contact)
class ContactAdmin(SearchMixin, PageActions):
    list_display = [
        "user",
        "email",
        "email_verified",
        "wants_email",
        "number",
        "phone_verified",
        "sms_opt_in",
    ]
    search_fields = person_fields("user")
    search_help_text = "A name, an address or a phone number"
    autocomplete_fields = ["user"]
    form = ContactForm
    fieldsets = [
        (None, {"fields": [*_ENTERED, "email_state", "phone_state"]}),
        ("What they chose", {"fields": ["choices"]}),
        (
            "Consent to texts",
            {"fields": ["sms_agreed_at", "sms_agreed_to", "sms_withdrawn_at", "sms_via"]},
        ),
    ]
    readonly_fields = [
        "email_state",
        "phone_state",
        "choices",
        "sms_agreed_at",
        "sms_agreed_to",
        "sms_withdrawn_at",
        "sms_via",
    ]
    actions = ["send_confirmations", "confirm_email", "confirm_phone"]

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        asks = (None, {"fields": ["send_confirmation"]})
        if obj is None:
            return [(None, {"fields": _ENTERED}), asks]
        may_change = self.has_change_permission(request, obj)
        return [*self.fieldsets[:1], *([asks] if may_change else []), *self.fieldsets[1:]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        return super().get_queryset(request).select_related("user")

    def fits(self, action: str, row: Contact) -> bool:
        unconfirmed = [each for each in Channel if row.address(each) and not row.is_verified(each)]
        return bool(_CONFIRMED_BY[action].intersection(unconfirmed))

    @admin.display(description="state of the address")
    @once
    def email_state(self, row: Contact) -> str:
        return _state(row, Channel.EMAIL)

    @admin.display(description="state of the number")
    @once
    def phone_state(self, row: Contact) -> str:
        return _state(row, Channel.SMS)

    @admin.display(description="present choices")
    @once
    def choices(self, row: Contact) -> str:
        made = Choice.objects.present().filter(user=row.user_id)
        lines = format_html_join("", "<li>{}</li>", ([_chosen(each)] for each in made))
        settings_url = reverse("account:of", args=[row.user_id])
        return format_html(
            '{} <a class="text-link" href="{}">Change, or see what follows</a>',
            format_html("<ul>{}</ul>", lines) if lines else "Nothing was chosen.",
            settings_url,
        )

    # Compare a tick with what the page showed: the row may have changed since.
    formfield_overrides = {models.BooleanField: {"show_hidden_initial": True}}

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        agreed, withdrew_texts = [], False
        for channel in Channel:
            consent = Contact.consent(channel)
            if not getattr(obj, consent):
                withdrew_texts |= channel == Channel.SMS and change and consent in form.changed_data
            elif consent in form.changed_data:
                agreed.append(channel)
            elif change:
                # The owner may have withdrawn it since the page was opened: keep that.
                still = Contact.objects.filter(pk=obj.pk, **{consent: True}).exists()
                setattr(obj, consent, still)
        reachable = _reachable(Contact.objects.filter(pk=obj.pk).select_related("user").first())
        assert request.user.is_authenticated
        fields = [name for name in form.fields if name != "send_confirmation"]
        changed = contacts.save(obj, fields, by=request.user)
        sent = (
            [channel for channel in changed if self._send(request, obj, channel)]
            if form.cleaned_data["send_confirmation"]
            else []
        )
        if is_unassigned(obj.phone):
            messages.warning(
                request,
                f"No known phone network has the number {shown(obj.phone)}. It may be new; "
                "check its digits.",
            )
        for channel in reachable - _reachable(obj):
            messages.warning(
                request,
                f"{obj.user} gets no {_MESSAGES[channel]} from now on: {_label(obj, channel)}."
                f"{_CONFIRM if obj.address(channel) and channel not in sent else ''}",
            )
        by = request.user.get_username()
        if withdrew_texts:
            contacts.end_texts(obj, ConsentVia.OFFICE)
        for channel in agreed:
            if channel == Channel.SMS:
                words = f"Recorded at the office by {by}."
                lifted = contacts.agree_to_texts(obj, ConsentVia.OFFICE, by=by, words=words)
            else:
                lifted = contacts.agree_again(obj, channel, by=by)
            if lifted:
                messages.info(request, _LIFTED[channel])

    def _send(self, request: HttpRequest, contact: Contact, channel: Channel) -> bool:
        """Send the confirmation, if there is something to confirm; return whether it was sent."""
        if not contact.address(channel) or contact.is_verified(channel):
            return False
        if channel == Channel.SMS and not settings.SMS_ENABLED:
            return False
        if contacts.suppression_of(contact, channel):
            messages.error(
                request,
                f"Nothing is sent to {shown(contact.address(channel))}: it is suppressed. Lift the "
                "suppression first.",
            )
            return False
        try:
            verification.send(contact, channel)
        except verification.TooMany as error:
            messages.error(request, f"{contact.user}: {error}")
            return False
        what = "A link" if channel == Channel.EMAIL else "A code"
        messages.success(request, f"{what} is on its way to {shown(contact.address(channel))}.")
        return True

    @admin.action(
        description="Send the confirmation: a link by e-mail, a code by text",
        permissions=["change"],
    )
    def send_confirmations(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        sent = [
            self._send(request, contact, channel)
            for contact in chosen.select_related("user")
            for channel in Channel
        ]
        if not any(sent):
            messages.info(request, "Nothing was sent: there is nothing that can be confirmed.")

    @admin.display(boolean=True, description="verified")
    def email_verified(self, row: Contact) -> bool:
        return bool(row.email) and row.email == row.verified_email

    @admin.display(description="mobile number", ordering="phone")
    def number(self, row: Contact) -> str:
        return shown(row.phone)

    @admin.display(boolean=True, description="verified")
    def phone_verified(self, row: Contact) -> bool:
        return bool(row.phone) and row.phone == row.verified_phone

    @admin.action(
        description="Confirm the e-mail address (checked with the person)", permissions=["change"]
    )
    def confirm_email(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        confirmed = self._confirm(request, chosen, Channel.EMAIL)
        messages.success(request, f"{confirmed} e-mail addresses confirmed.")

    @admin.action(
        description="Confirm the mobile number (checked with the person)", permissions=["change"]
    )
    def confirm_phone(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        confirmed = self._confirm(request, chosen, Channel.SMS)
        messages.success(request, f"{confirmed} mobile numbers confirmed.")

    def _confirm(self, request: HttpRequest, chosen: QuerySet[Contact], channel: Channel) -> int:
        """Mark the addresses as confirmed by the office; return how many were not before."""
        assert request.user.is_authenticated
        confirmed = [
            contact
            for contact in chosen
            if contacts.confirm_by_word(contact, channel, contact.address(channel))
        ]
        for contact in confirmed:
            history.record(contact, request.user, history.CONFIRMED[channel])
        return len(confirmed)
