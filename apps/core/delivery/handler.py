"""Handle one wake-up: take a waiting slot, attempt the delivery, wake the next workers."""

import logging
from functools import partial
from uuid import UUID

from apps.core.states import Channel, Priority

from . import waiting_slots, wakeups
from .attempt import attempt

logger = logging.getLogger(__name__)


def handle(delivery_id: UUID, channel: Channel, priority: Priority) -> None:
    """Attempt the delivery if a waiting slot is free; else leave it due for the next worker."""
    slot = waiting_slots.acquire(waiting_slots.pool_of(channel, priority), delivery_id)
    if slot is None:
        logger.debug("no waiting slot is free, the delivery stays due id=%s", delivery_id)
        return
    release = partial(wakeups.release, slot)
    try:
        stand_in = attempt(delivery_id, before_call=release)
    finally:
        release()
    if stand_in:
        wakeups.wake([stand_in])
