"""Attempts that a test makes step by step, and whole turns of a worker."""

from uuid import UUID

from django.db import transaction

from apps.core.delivery import attempt as attempts
from apps.core.delivery import turn
from apps.core.delivery.attempt import Attempt, Lease
from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState, Priority


def attempt(delivery_id: UUID) -> None:
    """Run a worker's turn, woken for this delivery. It sends what is due in that pool."""
    row = Delivery.objects.filter(pk=delivery_id).first()
    channel = Channel(row.channel) if row else Channel.EMAIL
    turn.handle(delivery_id, channel, Priority(row.priority) if row else Priority.MEDIUM)


def claimed(delivery_id: UUID) -> Delivery:
    """Claim a due delivery as a worker does; return it as the worker has it."""
    return claimed_attempt(delivery_id).delivery


def claimed_attempt(delivery_id: UUID) -> Attempt:
    """Claim this delivery and no other; return the attempt."""
    due = Delivery.objects.filter(pk=delivery_id, state=DeliveryState.DUE)
    with transaction.atomic():
        [this] = attempts._take(list(attempts._for_attempts(due)), Lease())
    return this
