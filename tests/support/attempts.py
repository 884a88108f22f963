"""Attempts that a test makes step by step."""

from uuid import UUID

from apps.core.delivery.attempt import claim
from apps.core.models import Delivery


def claimed(delivery_id: UUID) -> Delivery:
    """Claim a due delivery as a worker does; return it as the worker has it."""
    attempt = claim(delivery_id)
    assert attempt is not None, "it is due and free"
    return attempt.delivery
