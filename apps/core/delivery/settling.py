"""Settle a matter: what is about it and has not left yet will not leave."""

from collections.abc import Collection

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Now

from apps.core.models import Delivery, Notification
from apps.core.models.notification import LONGEST_BECAUSE
from apps.core.reasons import Reason
from apps.core.states import DeliveryState, LogEvent, LogSource

from . import transitions

CHUNK = 1000


def settle(about: models.Model, *, kinds: Collection[str], because: str) -> int:
    """Mark the notifications about this as settled, and skip their pending deliveries.

    Call it in a transaction. Return how many deliveries were skipped.
    """
    because = because[:LONGEST_BECAUSE]
    theirs = Notification.objects.filter(
        about_type=ContentType.objects.get_for_model(about), about_id=str(about.pk)
    )
    if kinds:
        theirs = theirs.filter(kind__in=kinds)
    # Marked first: a worker that claims one of them now sees it, and does not send.
    theirs.filter(settled_at=None).update(settled_at=Now(), settled_because=because)
    # A digest's content is judged when it is composed, so what carries one goes on. Locked, in one
    # order for all who lock: the log must name exactly the rows that are skipped.
    pending = Delivery.objects.pending().filter(notification__in=theirs, digest=None)
    rows = list(pending.order_by("pk").select_for_update(of=("self",)).only("pk", "attempts"))
    for start in range(0, len(rows), CHUNK):
        _skip(rows[start : start + CHUNK], because)
    return len(rows)


def _skip(rows: list[Delivery], because: str) -> None:
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).move(
        DeliveryState.SKIPPED,
        decision=Reason.SETTLED,
        decided_by=None,
        decided_at=Now(),
        reason=because,
        finished_at=Now(),
        next_attempt_at=None,
    )
    transitions.log(rows, LogEvent.SKIPPED, LogSource.NOTIFY, code=Reason.SETTLED, detail=because)
