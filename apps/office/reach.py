"""Whom no message reaches outside the app, why, and what to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, QuerySet
from django.urls import reverse

from apps.core.message import people
from apps.core.message.people import Person
from apps.core.models import Choice, Contact, Suppression
from apps.core.models.preferences import Setting
from apps.core.reasons import Reason
from apps.core.states import Channel

#: The fields of a contact that hold the address and the one that was verified.
_FIELDS = {
    Channel.EMAIL: ("email", "verified_email"),
    Channel.SMS: ("phone", "verified_phone"),
}
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
    found = User.objects.filter(is_active=True)
    for channel in Channel:
        if people.why_not(channel, None) != Reason.SMS_DISABLED:
            found = found.exclude(Exists(_usable(channel)))
    return found.order_by("first_name", "last_name", "pk")


def explain(users: Iterable[User]) -> list[Unreached]:
    """Return each user with the obstacles on every channel."""
    rows = list(users)
    known = people.load([user.pk for user in rows])
    contacts = {each.user_id: each for each in Contact.objects.filter(user__in=rows)}
    addresses = [each.address(c) for each in contacts.values() for c in Channel]
    listed = {
        (row.channel, row.address): row
        for row in Suppression.objects.in_force().filter(address__in=addresses)
    }
    return [
        Unreached(
            user,
            [
                obstacle
                for channel in Channel
                if (obstacle := _obstacle(known[user.pk], contacts.get(user.pk), channel, listed))
            ],
        )
        for user in rows
    ]


def _usable(channel: Channel) -> QuerySet[Contact]:
    """Return the contacts of the outer user that work on the channel."""
    address, verified = _FIELDS[channel]
    listed = Suppression.objects.in_force().filter(channel=channel, address=OuterRef(address))
    stopped = Choice.objects.present().filter(
        user=OuterRef("user"), category="", channel=channel, setting=Setting.OFF
    )
    contacts = Contact.objects.filter(
        user=OuterRef("pk"), **{verified: F(address), Contact.consent(channel): True}
    )
    return contacts.exclude(**{address: ""}).exclude(Exists(listed)).exclude(Exists(stopped))


def _obstacle(
    person: Person,
    contact: Contact | None,
    channel: Channel,
    listed: Mapping[tuple[str, str], Suppression],
) -> Obstacle | None:
    page = reverse("office:person", args=[person.id])
    if reason := person.unreachable.get(channel):
        return Obstacle(channel.label, str(reason.label), _MENDS.get(reason, ""), page)
    made = person.choices.get(("", channel))
    if made and made.setting == Setting.OFF:
        mend = "Ask whether they want it again; they can say so on their account page."
        return Obstacle(channel.label, f"switched off {made.via.label}", mend, page)
    row = contact and listed.get((channel, contact.address(channel)))
    if not row:
        return None
    return Obstacle(
        channel.label,
        f"the address is suppressed: {row.get_reason_display()}",
        "Correct the address, or lift the suppression if it works again.",
        page,
    )
