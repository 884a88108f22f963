"""A delivery's words as its recipient got them."""

import logging

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.message import rendering
from apps.core.message.rendering import EmailContent
from apps.core.models import Delivery
from apps.core.states import Channel

logger = logging.getLogger(__name__)


def as_sent(delivery: Delivery) -> SafeString:
    """Return the subject and the text as HTML, without secrets."""
    message = delivery.notification
    try:
        content = rendering.as_sent(message, Channel(delivery.channel))
    except (InvalidContext, UnknownKind) as error:
        # Of an earlier version of the application, whose kind is gone or has changed.
        logger.warning("words not rendered delivery=%s: %s", delivery.pk, error)
        return _html(message.title, message.text)
    return _html(content.subject if isinstance(content, EmailContent) else "", content.text)


def _html(subject: str, text: str) -> SafeString:
    return format_html('<div class="as-sent"><b>{}</b><div>{}</div></div>', subject, text.strip())
