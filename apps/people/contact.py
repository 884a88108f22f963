"""What a page shows of a person's contact details."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone

from apps.core.models import Contact, Suppression, Verification
from apps.core.models.suppression import SuppressionReason
from apps.core.models.verification import MOST_TRIES, Purpose
from apps.core.services import contacts
from apps.core.states import Channel

from .contact_forms import CodeForm, EmailForm, PhoneForm


@dataclass
class Address:
    """One address, whether it is confirmed, and what is off because of it."""

    text: str
    is_verified: bool
    form: forms.BaseForm
    #: A link or a code is on its way.
    sent: Verification | None
    suppression: Suppression | None

    @property
    def can_be_confirmed(self) -> bool:
        return bool(self.text) and not self.is_verified and self.suppression is None

    @property
    def has_stopped(self) -> bool:
        """Return whether the owner of the number answered STOP, and can answer START."""
        return self.suppression is not None and self.suppression.reason == SuppressionReason.OPT_OUT

    @property
    def is_dead(self) -> bool:
        """Return whether messages to it come back, which only the office can change."""
        return self.suppression is not None and not self.has_stopped


def of(user: Any) -> Contact:
    """Return the user's contact, which is empty if they never had one."""
    contact, _ = Contact.objects.select_related("user").get_or_create(user=user)
    return contact


def details(contact: Contact, *forms_with_errors: forms.BaseForm) -> dict[str, Any]:
    """Return the context of `people/_contact.html`; the forms replace empty ones of their type."""
    given = {type(form): form for form in forms_with_errors}
    # A form with errors has written into its contact.
    contact = Contact.objects.select_related("user").get(pk=contact.pk)
    return {
        "contact": contact,
        "email": _address(
            contact, Channel.EMAIL, given.get(EmailForm) or EmailForm(instance=contact)
        ),
        "phone": _address(
            contact, Channel.SMS, given.get(PhoneForm) or PhoneForm(instance=contact)
        ),
        "code_form": given.get(CodeForm) or CodeForm(),
        "wording": contacts.consent_wording(),
        "texts_enabled": settings.SMS_ENABLED,
    }


def _address(contact: Contact, channel: Channel, form: forms.BaseForm) -> Address:
    return Address(
        contact.address(channel),
        contact.is_verified(channel),
        form,
        _sent(contact, channel),
        contacts.suppression_of(contact, channel),
    )


def _sent(contact: Contact, channel: Channel) -> Verification | None:
    purpose = Purpose.PHONE if channel == Channel.SMS else Purpose.EMAIL
    row = (
        Verification.objects.filter(
            user=contact.user_id,
            purpose=purpose,
            address=contact.address(channel),
            used_at=None,
            expires_at__gt=timezone.now(),
            tries__lt=MOST_TRIES,
        )
        .order_by("-created_at")
        .first()
    )
    return row
