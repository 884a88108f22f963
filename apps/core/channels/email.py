"""Compose e-mails and hand them to the provider."""

from collections.abc import Mapping

from django.conf import settings

from apps.core.addresses import canonical
from apps.core.message import folded, rendering
from apps.core.models import Delivery
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import email_provider
from apps.core.providers.base import EmailMessage, Provider

from .base import ChannelService, address_of, permit


class EmailService(ChannelService[EmailMessage]):
    def __init__(self, provider: Provider[EmailMessage] | None = None) -> None:
        super().__init__(provider or email_provider())

    def compose(self, delivery: Delivery, suppression: SuppressionReason | None) -> EmailMessage:
        return self.message(
            address_of(delivery, suppression),
            folded.email(delivery),
            # SES repeats these in its events, which find their delivery by them.
            tags={"delivery": str(delivery.id), "attempt": str(delivery.attempts)},
        )

    def message(
        self,
        to: str,
        content: rendering.EmailContent,
        *,
        tags: Mapping[str, str],
    ) -> EmailMessage:
        """Return a message; raise NotSendable if this environment may not reach the address."""
        permit(to)
        mark = "[staging] " if settings.ENVIRONMENT == "staging" else ""
        return EmailMessage(
            canonical(to),
            mark + content.subject,
            content.text,
            content.html,
            tags,
            content.headers,
            content.sender_name,
        )
