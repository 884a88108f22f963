"""The headers that say what an e-mail is: automatic, its language, its replies and its thread."""

import hashlib
from email.utils import parseaddr

from django.conf import settings
from django.contrib.contenttypes.models import ContentType

from apps.core.models import Notification

from .brand import Brand


def of(brand: Brand, language: str) -> dict[str, str]:
    """Return the headers of every e-mail of a notification."""
    headers = {
        # RFC 3834, and Exchange's own header: send no out-of-office answer.
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Content-Language": language,
    }
    return {**headers, "Reply-To": brand.reply_to} if brand.reply_to else headers


def thread(notification: Notification) -> dict[str, str]:
    """Return the headers that join the e-mails about one thing, such as a repair, to a thread.

    All refer to the same message, which never existed: SES replaces our Message-ID by its own, so
    an e-mail cannot refer to the one before it.
    """
    if not (notification.about_type_id and notification.about_id):
        return {}
    label = ContentType.objects.get_for_id(notification.about_type_id).model
    name = hashlib.sha256(f"{label} {notification.about_id}".encode()).hexdigest()[:24]
    root = f"<{label}.{name}@{domain()}>"
    return {"In-Reply-To": root, "References": root}


def domain() -> str:
    """Return the domain of our sender."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
