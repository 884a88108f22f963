"""Whom no message reaches outside the app, why, and what mends it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.urls import reverse

from apps.core.message import people
from apps.core.models import Contact, Suppression
from apps.core.reasons import Reason
from apps.core.states import Channel

#: What the office does about a reason.
_MENDS = {
    Reason.NO_CONTACT: "Add the contact details.",
    Reason.NO_EMAIL: "Add the address.",
    Reason.EMAIL_UNVERIFIED: "Send the confirmation again, or confirm the address by phone.",
    Reason.EMAIL_UNWANTED: "Ask whether e-mail is wanted again.",
    Reason.NO_PHONE: "Add the number.",
    Reason.PHONE_UNVERIFIED: "Ask for the code to be entered on the account page.",
    Reason.NO_CONSENT: "Ask for the consent on the account page.",
    Reason.SMS_DISABLED: "Texts are off for everyone; give an e-mail address that works.",
}


@dataclass(frozen=True)
class Obstacle:
    """Why a person is not reached on one channel."""

    channel: str
    reason: str
    mend: str
    url: str


@dataclass(frozen=True)
class Unreached:
    user: User
    obstacles: list[Obstacle]


def unreached() -> QuerySet[User]:
    """Return the active users whom neither e-mail nor a text reaches."""
    email = Contact.objects.filter(
        ~Q(email=""), user=OuterRef("pk"), email=F("verified_email"), wants_email=True
    )
    phone = Contact.objects.filter(
        ~Q(phone=""), user=OuterRef("pk"), phone=F("verified_phone"), sms_opt_in=True
    )
    usable = [
        Exists(each.exclude(Exists(_suppressions(channel, address))))
        for each, channel, address in (
            (email, Channel.EMAIL, "email"),
            (phone, Channel.SMS, "phone"),
        )
        if channel in _channels_in_use()
    ]
    found = User.objects.filter(is_active=True)
    for each in usable:
        found = found.filter(~each)
    return found.order_by("first_name", "last_name", "pk")


def explain(users: Iterable[User]) -> list[Unreached]:
    """Return each user with the obstacles on every channel."""
    rows = list(users)
    contacts = {each.user_id: each for each in Contact.objects.filter(user__in=rows)}
    return [
        Unreached(
            user,
            [o for channel in Channel if (o := _obstacle(contacts.get(user.pk), user, channel))],
        )
        for user in rows
    ]


def _obstacle(contact: Contact | None, user: User, channel: Channel) -> Obstacle | None:
    if contact:
        contact.user = user
    if reason := people.why_not(channel, contact):
        page = reverse("office:person", args=[user.pk])
        return Obstacle(channel.label, reason.label, _MENDS.get(reason, ""), page)
    assert contact
    listed = Suppression.objects.in_force().filter(
        channel=channel, address=contact.address(channel)
    )
    if row := listed.first():
        return Obstacle(
            channel.label,
            f"the address is suppressed: {row.get_reason_display()}",
            "Correct the address, or lift the suppression if it works again.",
            reverse("admin:core_suppression_change", args=[row.pk]),
        )
    return None


def _suppressions(channel: Channel, address: str) -> QuerySet[Suppression]:
    rows = Suppression.objects.in_force()
    return rows.filter(channel=channel, address=OuterRef(address))


def _channels_in_use() -> set[Channel]:
    return {c for c in Channel if people.why_not(c, None) != Reason.SMS_DISABLED}
