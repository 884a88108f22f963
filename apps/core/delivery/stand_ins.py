"""Stand-ins: a delivery on the fallback channel, for one that was the only way out."""

from django.db import transaction

from apps.core.message import routing
from apps.core.models import Delivery
from apps.core.reasons import Reason
from apps.core.states import LogEvent, LogSource, Priority

from . import transitions


def open_stand_in(delivery: Delivery, *, source: LogSource = LogSource.WORKER) -> Delivery | None:
    """Open a delivery on the fallback channel if this one was the only way out; return it."""
    channel = routing.fallback(Priority(delivery.priority))
    if channel is None or delivery.channel == channel:
        return None
    instead, created = Delivery.objects.get_or_create(
        notification_id=delivery.notification_id,
        channel=channel,
        defaults={
            "priority": delivery.priority,
            # What it carried goes with it.
            "digest_id": delivery.digest_id,
        },
    )
    if not created:
        return None
    transitions.record(
        delivery, LogEvent.FALLBACK, source=source, entry={"detail": f"to {channel.label.lower()}"}
    )
    return instead


def hand_over(delivery: Delivery, reason: str) -> Delivery | None:
    """Skip a due delivery of a stopped channel; return the one that stands in on another."""
    with transaction.atomic():
        if not transitions.skip_due(delivery, reason, Reason.CHANNEL_STOPPED):
            return None
        return open_stand_in(delivery, source=LogSource.SWEEP)
