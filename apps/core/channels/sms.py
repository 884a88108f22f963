"""Compose text messages and hand them to the provider."""

from decimal import Decimal

from apps.core.guards import sms_budget
from apps.core.message import folded, rendering, segments
from apps.core.models import Delivery
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import sms_provider
from apps.core.providers.base import Provider, SMSMessage

from .base import ChannelService, address_of, permit


class SMSService(ChannelService[SMSMessage]):
    def __init__(self, provider: Provider[SMSMessage] | None = None) -> None:
        super().__init__(provider or sms_provider())

    def compose(self, delivery: Delivery, suppression: SuppressionReason | None) -> SMSMessage:
        return self.message(address_of(delivery, suppression), folded.sms(delivery))

    def weight(self, message: SMSMessage) -> int:
        return segments.count(message.text).parts

    def cost(self, message: SMSMessage) -> Decimal:
        return sms_budget.price(message.to, self.weight(message))

    def message(self, to: str, content: rendering.SMSContent) -> SMSMessage:
        """Return a message; raise NotSendable if this environment may not reach the number."""
        permit(to)
        return SMSMessage(to, content.text)
