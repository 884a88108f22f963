"""Read SNS's messages from the SQS queue: pulled instead of pushed to the webhook."""

import logging
import time

from django.db import IntegrityError, connection

from apps.core.exceptions import DeliveryError
from apps.core.models import Delivery
from apps.core.providers import sqs
from apps.core.states import Via

from . import sns_messages
from .sns_envelope import TryAgainLater, UnreadableCertificate, UntrustedMessage

logger = logging.getLogger(__name__)

#: Seconds after which a run ends although the queue has more. The next run continues.
RUN_S = 20.0


def drain(queue_url: str) -> list[Delivery]:
    """Store and apply the queue's messages; delete each once it is committed.

    Return the deliveries that stand in for those that ended. A message that is not trusted or not
    stored stays, and the queue moves it to its dead letters; it stops no other. Errors of the queue
    are logged, never raised. Raise OperationalError if the database is down.
    """
    stand_ins: list[Delivery] = []
    until = time.monotonic() + RUN_S
    # SQS counts how often it hands a message out. Receive none if the database is down.
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    try:
        for message in sqs.receive(queue_url):
            if _receive(message, stand_ins):
                sqs.delete(queue_url, message)
            if time.monotonic() > until:
                break
    except (DeliveryError, TryAgainLater) as error:
        # Handing out counts against a message, so receive no more of them now.
        logger.warning("event queue not read on, the next run tries again: %s", error)
    return stand_ins


def _receive(message: sqs.QueuedMessage, stand_ins: list[Delivery]) -> bool:
    """Apply the message; return whether it may be deleted."""
    try:
        # A queue keeps messages for days.
        stand_ins += sns_messages.receive(message.body.encode(), Via.QUEUE, oldest=None)
    except sns_messages.AlreadyStored:
        return True
    except UntrustedMessage as error:
        logger.warning("message of the event queue refused: %s", error)
        return False
    except UnreadableCertificate as error:
        logger.warning("message of the event queue not checked: %s", error)
        return False
    except IntegrityError as error:
        # Not its text: PostgreSQL's has the values of the row.
        logger.error("message of the event queue not stored: %s", type(error).__name__)
        return False
    return True
