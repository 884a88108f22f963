"""Change how a person is reached, and their consent to text messages."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from apps.core import addresses
from apps.core.delivery import holds
from apps.core.delivery.wakeups import wake_unlisting
from apps.core.guards import suppressions
from apps.core.message import account_kinds, brand, user_text
from apps.core.models import Contact, Suppression, Verification
from apps.core.models.contact import ConsentVia
from apps.core.states import Channel

from . import direct
from .verification import PURPOSE

FIELDS = {Channel.EMAIL: "email", Channel.SMS: "phone"}
NAMES = {
    Channel.EMAIL: gettext_noop("e-mail address"),
    Channel.SMS: gettext_noop("mobile number"),
}

#: Who changed an address, in the message to the old one.
YOU, THE_OFFICE = gettext_noop("You"), gettext_noop("The office")


def consent_wording() -> str:
    """Return the words to which a person agrees, in their language; kept with their consent."""
    return gettext(
        "I agree to get text messages about repairs from {brand} at this number. Message and data "
        "rates may apply, and how many come depends on the work. Reply STOP to end them, HELP for "
        "help."
    ).format(brand=brand.current().name)


def save(contact: Contact, fields: Collection[str], *, by: User) -> list[Channel]:
    """Save these fields; return the channels whose address is another one now, or is new.

    The other fields stay as they are by now: a STOP may have come since the contact was read.

    A changed address is not verified, its open links and codes end, and the old one is told, if it
    was verified: it may be the owner's only sign that another person has changed it.
    """
    with transaction.atomic():
        before = Contact.objects.select_for_update().filter(pk=contact.pk).first()
        changed = [
            channel
            for channel, field in FIELDS.items()
            if field in fields
            and (
                before is None
                or addresses.canonical(contact.address(channel)) != before.address(channel)
            )
        ]
        for channel in changed:
            setattr(contact, f"verified_{FIELDS[channel]}", "")
        verified = [f"verified_{FIELDS[channel]}" for channel in changed]
        contact.save(update_fields=[*fields, *verified] if before else None)
        holds.recompute(contact.user_id)
        if before is not None:
            for channel in changed:
                Verification.objects.filter(
                    user=contact.user_id, purpose=PURPOSE[channel], used_at=None
                ).update(used_at=Now())
                _tell_old_address(before, channel, by)
    return changed


def agree_to_texts(contact: Contact, via: ConsentVia, *, by: str, words: str = "") -> bool:
    """Record the consent, now; return whether that lifted an earlier STOP.

    `words`: what the person agreed to; the wording of the page if left out.
    """
    with transaction.atomic():
        Contact.objects.filter(pk=contact.pk).update(
            sms_opt_in=True,
            sms_agreed_at=timezone.now(),
            sms_agreed_to=words or consent_wording(),
            sms_via=via,
        )
        return agree_again(contact, Channel.SMS, by=by)


def agree_again(contact: Contact, channel: Channel, *, by: str) -> bool:
    """End an earlier STOP or complaint; return whether a suppression of the address was lifted."""
    with transaction.atomic():
        suppressions.end_objection([contact.user_id], channel)
        lifted = suppressions.lift_objection(channel, contact.address(channel), by)
        holds.recompute(contact.user_id)
        if lifted:
            transaction.on_commit(wake_unlisting)
    return lifted


def end_texts(contact: Contact, via: ConsentVia) -> None:
    """Record that the person wants no text messages any more."""
    with transaction.atomic():
        Contact.objects.filter(pk=contact.pk).update(
            sms_opt_in=False, sms_withdrawn_at=timezone.now(), sms_via=via
        )
        holds.recompute(contact.user_id)


def suppression_of(contact: Contact, channel: Channel) -> Suppression | None:
    """Return the suppression that keeps messages from the contact's address, or None."""
    standing = Suppression.objects.in_force().filter(channel=channel)
    return standing.filter(address=contact.address(channel)).first()


def is_objection(row: Suppression) -> bool:
    """Return whether the owner asked for the suppression: STOP, or a complaint."""
    return row.reason == suppressions.OBJECTION[Channel(row.channel)]


def confirm_by_word(contact: Contact, channel: Channel, address: str) -> bool:
    """Mark the address as verified because a person says so, if it is still the contact's."""
    field = FIELDS[channel]
    with transaction.atomic():
        theirs = Contact.objects.filter(pk=contact.pk, **{field: address}).exclude(**{field: ""})
        confirmed = theirs.exclude(**{f"verified_{field}": address})
        changed = bool(confirmed.update(**{f"verified_{field}": address}))
        if changed:
            holds.recompute(contact.user_id)
    return changed


def _tell_old_address(before: Contact, channel: Channel, by: User) -> None:
    if not before.is_verified(channel) or (channel == Channel.SMS and not before.sms_opt_in):
        return
    is_own = by.pk == before.user_id
    who = YOU if is_own else user_text.quotable(by.get_full_name(), 60) or THE_OFFICE
    direct.send(
        account_kinds.ADDRESS_CHANGED,
        before.user,
        {"what": NAMES[channel], "changed_by": who},
        channel=channel,
        to=before.address(channel),
        action_url=reverse("contact:details"),
        is_news=not is_own,
    )
