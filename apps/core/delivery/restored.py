"""After the database was restored from a backup: what may have been sent since that backup.

The restored rows do not know what was sent after the backup was taken, and the provider's events of
that time are gone as well. So what should have left by now is left for a person to decide.
"""

from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.models import Delivery
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.states import DeliveryState, LogEvent, LogSource

from . import transitions

_DUE = Q(state__in=[DeliveryState.DUE, DeliveryState.RETRYING], next_attempt_at__lte=Now())
_RELEASED = Q(state=DeliveryState.HELD, release_at__lte=Now())
_CLAIMED = Q(state=DeliveryState.SENDING)
#: One without a deadline is left for a person already.
_UNKNOWN = Q(state=DeliveryState.UNKNOWN, next_attempt_at__isnull=False)


def in_doubt() -> DeliveryQuerySet:
    """Return the deliveries that may have been sent since the backup.

    What is due, or to be released, in the future has not left.
    """
    return Delivery.objects.filter(_DUE | _RELEASED | _CLAIMED | _UNKNOWN)


def leave_for_a_person() -> int:
    """Leave what is in doubt for a person: unknown, without a deadline; return how many rows.

    No sweep and no worker sends these. A person has them sent again, or marks them as arrived.
    Stop the workers first.
    """
    return sum(_leave(row) for row in in_doubt().iterator(chunk_size=500))


def _leave(delivery: Delivery) -> bool:
    return transitions.record(
        delivery,
        LogEvent.RESTORED,
        to=DeliveryState.UNKNOWN,
        source=LogSource.PERSON,
        # The attempt of which nothing is known counts: a later one may be the second to arrive.
        attempt=delivery.attempts + 1,
        row={"attempts": F("attempts") + 1, "next_attempt_at": None, "lease_until": None},
        is_logged_if_late=False,
    )
