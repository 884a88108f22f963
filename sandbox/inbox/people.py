"""The people on the page, with their messages and notifications."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max, Q
from django.db.models.functions import Now

from .application import EMAIL, SMS, Contact, Notification, Suppression
from .client import Email, Reply, Sms


@dataclass
class Person:
    """A user with a contact, or an address without one. Messages are newest first."""

    name: str
    contact: Any = None
    emails: list[Email] = field(default_factory=list)
    texts: list[Sms] = field(default_factory=list)
    #: What their phone answered.
    replies: list[Reply] = field(default_factory=list)
    unread: int = 0
    latest: datetime | None = None
    #: By channel, the reason for which its address is suppressed.
    suppressed: dict[str, str] = field(default_factory=dict)

    @property
    def username(self) -> str:
        return self.contact.user.get_username() if self.contact else self.name

    @property
    def addresses(self) -> list[str]:
        """Return the e-mail address, the phone number, or both."""
        if not self.contact:
            return [self.name]
        return [address for address in (self.contact.email, self.contact.phone) if address]

    @property
    def href(self) -> str:
        return "?" + urlencode({"person" if self.contact else "address": self.username})

    @property
    def why_no_email(self) -> str:
        return self._why_not(EMAIL)

    @property
    def why_no_sms(self) -> str:
        return self._why_not(SMS)

    @property
    def phone(self) -> str:
        """Return the number of their phone, or "" if they have none."""
        return next((each for each in self.addresses if "@" not in each), "")

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """Return the texts and the answers, oldest first, each by its name in the template."""
        said: list[tuple[datetime, dict[str, Any]]] = [
            *((text.received_at, {"text": text}) for text in self.texts),
            *((reply.at, {"reply": reply}) for reply in self.replies),
        ]
        return [each for _, each in sorted(said, key=lambda pair: pair[0])]

    def _why_not(self, channel: str) -> str:
        reason = self.contact.why_not(channel) if self.contact else None
        return str(reason.label) if reason else ""

    def add(self, message: Email | Sms) -> None:
        if isinstance(message, Email):
            self.emails.append(message)
        else:
            self.texts.append(message)
        self.latest = max(self.latest or message.received_at, message.received_at)


def everyone(messages: Iterable[Email | Sms], replies: Iterable[Reply] = ()) -> list[Person]:
    """Return every contact, and a person for each other address that got a message.

    `messages` are oldest first. People are sorted by newest activity, then by name.
    """
    known = _contacts()
    owners: dict[str, list[Person]] = defaultdict(list)
    for person in known:
        for address in person.addresses:
            owners[address.casefold()].append(person)
    others = []
    for message in reversed(list(messages)):
        for address in message.recipients:
            holders = owners[address.casefold()]
            if not holders:
                holders.append(Person(address))
                others += holders
            for person in holders:
                person.add(message)
    for reply in replies:
        for person in owners[reply.phone]:
            person.replies.append(reply)
    return sorted(known + others, key=_newest_first)


def _contacts() -> list[Person]:
    bells = {
        recipient: (unread, latest)
        for recipient, unread, latest in Notification.objects.filter(visible_from__lte=Now())
        .values("recipient")
        .annotate(unread=Count("pk", filter=Q(read_at=None)), latest=Max("visible_from"))
        .values_list("recipient", "unread", "latest")
    }
    suppressed = {
        (row.channel, row.address): row.get_reason_display()
        for row in Suppression.objects.in_force()
    }
    people = []
    for contact in Contact.objects.select_related("user"):
        unread, latest = bells.get(contact.user_id, (0, None))
        name = contact.user.get_full_name() or contact.user.get_username()
        reasons = {
            channel: reason
            for channel in (EMAIL, SMS)
            if (reason := suppressed.get((channel, contact.address(channel).lower())))
        }
        people.append(Person(name, contact, unread=unread, latest=latest, suppressed=reasons))
    return people


def _newest_first(person: Person) -> tuple[float, str]:
    return -person.latest.timestamp() if person.latest else 0, person.name.casefold()
