"""The events that come by a queue: the same way in as by the webhook, pulled instead of pushed."""

import logging
import time

from ..exceptions import ChannelUnavailableError
from ..models import Delivery
from ..providers import event_queue
from . import inbound
from .sns_message import Refused, Unavailable

logger = logging.getLogger(__name__)

#: Seconds after which a turn ends though the queue has more: the next one goes on.
TURN_S = 20.0


def drain(queue_url: str) -> list[Delivery]:
    """Store and apply what waits in the queue, each message deleted once it is committed.

    Returns the deliveries that stand in for those which ended. What is not to be believed is left
    to the queue, whose dead letters keep it for a person to look at. Never raises for the queue.
    """
    stand_ins: list[Delivery] = []
    until = time.monotonic() + TURN_S
    try:
        for message in event_queue.receive(queue_url):
            if _is_stored(message, stand_ins):
                event_queue.delete(queue_url, message)
            if time.monotonic() > until:
                break
    except ChannelUnavailableError as error:
        logger.warning("event queue not read, the next turn tries again: %s", error)
    return stand_ins


def _is_stored(message: event_queue.QueuedMessage, stand_ins: list[Delivery]) -> bool:
    try:
        # A queue keeps messages for days.
        stand_ins += inbound.take(message.body.encode(), oldest=None)
    except inbound.Replayed:
        return True
    except Refused as error:
        logger.warning("message of the event queue refused: %s", error)
        return False
    except Unavailable as error:
        logger.warning("message of the event queue not checked: %s", error)
        return False
    return True
