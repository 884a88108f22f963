"""Give claimed deliveries back: due again, as if no worker had claimed them."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Now

from apps.core.exceptions import NotCalled
from apps.core.guards import sms_budget
from apps.core.models import Delivery
from apps.core.states import DeliveryState, LogEvent

from . import transitions


def give_back(deliveries: Sequence[Delivery]) -> None:
    """Give deliveries back whose providers were not called, nor announced."""
    reason = NotCalled("given back", is_announced=False)
    for row in deliveries:
        if row.cost_usd is not None:
            give_back_one(row, reason)
    for number, rows in transitions.by_attempt(row for row in deliveries if row.cost_usd is None):
        held = Delivery.objects.filter(pk__in=[row.pk for row in rows], attempts=number)
        given = _due_again(rows)
        held.filter(state=DeliveryState.SENDING).move(DeliveryState.DUE, **given)


def give_back_one(delivery: Delivery, reason: NotCalled) -> None:
    """Give a delivery back whose provider was not called; release what it had reserved."""
    # The sweep may have found the lease expired, and the outcome unknown. It is known.
    only_from = (DeliveryState.SENDING, DeliveryState.UNKNOWN)
    with transaction.atomic():
        if reason.is_announced:
            entry = {"detail": str(reason)}
            transitions.record(
                delivery,
                LogEvent.NOT_CALLED,
                to=DeliveryState.DUE,
                only_from=only_from,
                row=_due_again([delivery]),
                entry=entry,
            )
        else:
            transitions.move(delivery, DeliveryState.DUE, only_from[:1], _due_again([delivery]))
        sms_budget.release(delivery)


def _due_again(claimed: Iterable[Delivery]) -> dict[str, Any]:
    """Return the columns of deliveries that a worker gives back: due since they were due before.

    Due from now, they would go behind a whole backlog.
    """
    since = [
        When(pk=row.pk, then=Value(row.next_attempt_at)) for row in claimed if row.next_attempt_at
    ]
    return {"next_attempt_at": Case(*since, default=Now()), "lease_until": None}
