"""What the services of all channels share."""

from decimal import Decimal
from typing import Generic, TypeVar

from django.conf import settings

from apps.core import conf
from apps.core.exceptions import NotSendable
from apps.core.message import routing
from apps.core.models import Contact, Delivery
from apps.core.models.suppression import SuppressionReason
from apps.core.providers.base import Acceptance, Provider
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
        """What the message counts for in the channel's rate limit."""
        return 1

    def cost(self, message: Message) -> Decimal | None:
        """What the message costs at most, in US dollars; None where no budget counts it."""
        return None

    def send(self, message: Message) -> Acceptance:
        """Hand it to the provider, once; raises DeliveryError, which carries the decision."""
        return self.provider.send(message)


def address_of(delivery: Delivery, suppression: SuppressionReason | None) -> str:
    """The recipient's present address: it may have changed while the delivery waited."""
    contact: Contact | None = getattr(delivery.notification.recipient, "contact", None)
    channel = Channel(delivery.channel)
    reason = routing.why_not(channel, contact, sms_enabled=settings.SMS_ENABLED)
    # First: who answered STOP has withdrawn the consent as well, and this says why.
    if suppression:
        raise NotSendable(f"address is suppressed: {suppression.label}")
    if reason or contact is None:
        raise NotSendable(reason)
    return contact.address(channel)


def permit(address: str) -> None:
    """Raise NotSendable where this environment may not send to the address."""
    if not conf.may_reach(address):
        raise NotSendable("not among the recipients that staging may reach")
