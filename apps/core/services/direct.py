"""Send one message to one address that it is about, whatever the person has chosen."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from apps.core.delivery import wakeups
from apps.core.message import rendering
from apps.core.message.kinds import NotificationKind
from apps.core.message.wording import Wording
from apps.core.models import Delivery, Notification
from apps.core.states import Channel


def send(
    kind: NotificationKind,
    recipient: User,
    context: Mapping[str, Any],
    *,
    channel: Channel,
    to: str,
    action_url: str,
    is_news: bool = False,
    words: Wording | None = None,
) -> Delivery:
    """Send a message to an address that need not be verified, in the caller's transaction.

    For links, codes and warnings about the address itself. Suppressed addresses, the allow-list of
    staging and the SMS budget still count. In the app it appears as read, unless it is news.
    `words`: stored words to use instead of those in effect, as of a sample.
    """
    valid = kind.validate(context)
    words = words or rendering.words(kind.name, rendering.language_of(recipient))
    shown = rendering.in_app(kind, valid, action_url, words)
    with transaction.atomic(savepoint=False):
        notification = Notification.objects.create(
            recipient=recipient,
            kind=kind.name,
            category=kind.category.name,
            priority=kind.priority,
            context=valid.model_dump(mode="json"),
            title=shown.title,
            text=shown.text,
            wording=words.digest,
            action_url=action_url,
            read_at=None if is_news else Now(),
        )
        delivery = Delivery.objects.create(
            notification=notification,
            channel=channel,
            priority=kind.priority,
            direct_to=to,
        )

        def wake_after_commit() -> None:
            wakeups.wake([delivery])

        transaction.on_commit(wake_after_commit, robust=True)
    return delivery
