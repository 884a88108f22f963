"""What all channel services share."""

from decimal import Decimal
from typing import Generic, TypeVar

from apps.core import conf
from apps.core.exceptions import NotSendable
from apps.core.message import people
from apps.core.models import Contact, Delivery
from apps.core.models.suppression import SuppressionReason
from apps.core.providers.base import Acceptance, Provider
from apps.core.reasons import Reason
from apps.core.states import Channel

Message = TypeVar("Message")


class ChannelService(Generic[Message]):
    """One channel: makes a delivery's message and hands messages to the provider.

    Subclasses must implement `compose`.
    """

    def __init__(self, provider: Provider[Message]) -> None:
        self.provider = provider

    def compose(self, delivery: Delivery, suppression: SuppressionReason | None) -> Message:
        """Return the delivery's message; raise NotSendable if it must not be sent."""
        raise NotImplementedError

    def weight(self, message: Message) -> int:
        """Return what the message counts for in the channel's rate limit."""
        return 1

    def cost(self, message: Message) -> Decimal | None:
        """Return the highest price in US dollars, or None if the channel has no budget."""
        return None

    def send(self, message: Message) -> Acceptance:
        """Hand the message to the provider, once; raise DeliveryError."""
        return self.provider.send(message)


def address_of(delivery: Delivery, suppression: SuppressionReason | None) -> str:
    """Return the recipient's present address; raise NotSendable if it must not be used."""
    contact: Contact | None = getattr(delivery.notification.recipient, "contact", None)
    channel = Channel(delivery.channel)
    if delivery.direct_to:
        # No choice of the person and no missing verification stops what is about the address.
        reason = people.why_not_direct(channel, delivery.notification.recipient)
    else:
        reason = people.why_not(channel, contact)
    # First: STOP withdraws the consent as well, and the suppression says why.
    if suppression:
        raise NotSendable(
            f"address is suppressed: {suppression.label}", code=f"suppressed_{suppression}"
        )
    if reason:
        raise NotSendable(str(reason.label), code=reason)
    if delivery.direct_to:
        return delivery.direct_to
    assert contact is not None
    return contact.address(channel)


def permit(address: str) -> None:
    """Raise NotSendable if this environment may not send to the address."""
    if not conf.may_reach(address):
        raise NotSendable(str(Reason.STAGING.label), code=Reason.STAGING)
