"""Send messages about the system itself, which have no delivery: to an address or a number."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.utils.html import format_html_join

from apps.core.channels.email import EmailService
from apps.core.channels.sms import SMSService
from apps.core.exceptions import ChannelUnavailableError, DeliveryError, TransientError
from apps.core.guards import rate_limit, sms_budget
from apps.core.message.rendering import EmailContent, SMSContent
from apps.core.models import ChannelStop
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel, Priority

logger = logging.getLogger(__name__)


def content(subject: str, *paragraphs: str) -> EmailContent:
    """Return an e-mail of these paragraphs, as text and as HTML."""
    html = format_html_join("\n", "<p>{}</p>", ((paragraph,) for paragraph in paragraphs))
    return EmailContent(subject, "\n\n".join(paragraphs) + "\n", html)


def send_email(content: EmailContent) -> bool:
    """E-mail the administrator; return False if it was not sent, or perhaps not."""
    return _is_sent(lambda: _email(content))


def send_text(to: str, text: str) -> bool:
    """Text a number, even without room in the month's budget; return False if it was not sent."""
    return _is_sent(lambda: _text(to, text))


def _is_sent(send: Callable[[], None]) -> bool:
    try:
        send()
    except DeliveryError as error:
        logger.warning("alert not sent, the next run tries again: %s", error)
        return False
    return True


def _email(content: EmailContent) -> None:
    service = EmailService()
    message = service.message(settings.ADMIN_EMAIL, content, tags={})
    _wait_for_slot(Channel.EMAIL)
    service.send(message)


def _text(to: str, text: str) -> None:
    service = SMSService()
    message = service.message(to, SMSContent(text))
    _wait_for_slot(Channel.SMS)
    service.send(message)
    sms_budget.add(service.cost(message))


def _wait_for_slot(channel: Channel) -> None:
    """Wait for a rate slot; raise TransientError if there is none soon enough."""
    if ChannelStop.objects.filter(channel=channel, cause=StopCause.PROVIDER).exists():
        raise ChannelUnavailableError(f"the provider refuses every {channel.label.lower()}")
    while slot := rate_limit.wait_for_slot(channel, Priority.URGENT):
        if slot.wait():
            return
    raise TransientError("no rate slot is free soon enough")
