"""What the office sees of one person: their addresses, and what reached them as they saw it."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db.models import Q

from apps.core.audit import story
from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.message import rendering
from apps.core.message.rendering import SMSContent
from apps.core.models import Contact, Delivery, Notification, Suppression
from apps.core.models.notification import NotificationQuerySet
from apps.core.services import contacts
from apps.core.states import PENDING, SENT, Channel, DeliveryState
from apps.site import told
from apps.site.told import Told

from . import reach
from .forms import AddressForm
from .reach import Obstacle

PER_PAGE = 10
#: What the list can show: the name in the query string, and the tab's label.
SHOWN = {
    "all": "Everything",
    "texts": "Texts",
    "emails": "E-mails",
    "bell": "In the app",
    "waiting": "Waiting",
    "failed": "Not sent",
}
_LEFT = SENT | {DeliveryState.UNKNOWN, DeliveryState.FOLDED}
_CHANNELS = {"texts": Channel.SMS, "emails": Channel.EMAIL}


@dataclass(frozen=True)
class Address:
    """One channel of a person: the address, what is wrong with it, and what to do."""

    channel: Channel
    address: str
    is_verified: bool
    obstacle: Obstacle | None
    suppression: Suppression | None
    form: AddressForm | None

    @property
    def may_be_lifted(self) -> bool:
        """Return whether the office alone may lift it: an objection is for its owner to end."""
        return self.suppression is not None and not contacts.is_objection(self.suppression)


@dataclass(frozen=True)
class Seen:
    """One message: its story, and its words on the channel that the list shows."""

    told: Told
    words: str


@dataclass(frozen=True)
class Inbox:
    shown: str
    tabs: dict[str, str]
    page: Page[Notification]
    messages: list[Seen]


def addresses(user: User, wrong: AddressForm | None = None) -> list[Address]:
    """Return the person's addresses, of every channel."""
    contact = getattr(user, "contact", None)
    obstacles = {each.channel: each for each in reach.explain([user])[0].obstacles}
    return [
        Address(
            channel,
            contact.address(channel) if contact else "",
            contact is not None and contact.is_verified(channel),
            obstacles.get(channel.label),
            contacts.suppression_of(contact, channel) if contact else None,
            _form(channel, contact, wrong),
        )
        for channel in Channel
    ]


def inbox(user: User, shown: str | None, page: str | None) -> Inbox:
    """Return one page of the person's messages, newest first."""
    chosen = shown if shown in SHOWN else "all"
    rows = _narrow(Notification.objects.filter(recipient=user), chosen, user)
    rows = story.with_story(rows.select_related("recipient__contact"))
    found = Paginator(rows.order_by("-visible_from", "-pk"), PER_PAGE).get_page(page)
    return Inbox(chosen, SHOWN, found, [Seen(told.tell(row), _words(row, chosen)) for row in found])


def _narrow(rows: NotificationQuerySet, shown: str, user: User) -> NotificationQuerySet:
    if shown == "bell":
        return rows.visible_to(user)
    if shown == "all":
        return rows
    if shown in _CHANNELS:
        which = Q(channel=_CHANNELS[shown], state__in=_LEFT)
    else:
        which = Q(state__in=PENDING if shown == "waiting" else story.ENDED)
    deliveries = Delivery.objects.filter(which, notification__recipient=user)
    return rows.filter(pk__in=deliveries.values("notification"))


def _words(row: Notification, shown: str) -> str:
    """Return a text as its phone showed it, or an e-mail's subject; else what the bell shows."""
    if shown not in _CHANNELS:
        return row.text
    try:
        content = rendering.as_sent(row, _CHANNELS[shown])
    except (InvalidContext, UnknownKind):
        return "Its words were erased, or are of a kind that no longer exists."
    return content.text if isinstance(content, SMSContent) else content.subject


def _form(
    channel: Channel, contact: Contact | None, wrong: AddressForm | None
) -> AddressForm | None:
    if wrong and wrong.channel == channel:
        return wrong
    return AddressForm(channel, instance=contact) if contact else None
