"""The events that come by a queue: the same way in as by the webhook, pulled instead of pushed."""

import logging
import time

from django.db import DataError, IntegrityError, connection

from apps.core.exceptions import DeliveryError
from apps.core.models import Delivery
from apps.core.providers import sqs
from apps.core.states import Via

from . import inbound
from .sns_envelope import Refused, Unavailable

logger = logging.getLogger(__name__)

#: Seconds after which a turn ends though the queue has more: the next one goes on.
TURN_S = 20.0


def drain(queue_url: str) -> list[Delivery]:
    """Store and apply what waits in the queue, each message deleted once it is committed.

    Returns the deliveries that stand in for those which ended. What is not to be believed is left
    to the queue, whose dead letters keep it for a person to look at. Never raises for the queue;
    raises what the database raises.
    """
    stand_ins: list[Delivery] = []
    until = time.monotonic() + TURN_S
    # Each message that is received and not deleted counts against it: without a database, none is.
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    try:
        for message in sqs.receive(queue_url):
            if _is_stored(message, stand_ins):
                sqs.delete(queue_url, message)
            if time.monotonic() > until:
                break
    except (DeliveryError, Unavailable) as error:
        logger.warning("event queue not read on, the next turn tries again: %s", error)
    return stand_ins


def _is_stored(message: sqs.QueuedMessage, stand_ins: list[Delivery]) -> bool:
    try:
        # A queue keeps messages for days.
        stand_ins += inbound.take(message.body.encode(), Via.QUEUE, oldest=None)
    except inbound.Replayed:
        return True
    except Refused as error:
        logger.warning("message of the event queue refused: %s", error)
        return False
    except (DataError, IntegrityError):
        logger.exception("message of the event queue cannot be stored")
        return False
    return True
