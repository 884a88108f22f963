"""Receive one SNS message, from the webhook or from the queue: verify, parse, apply."""

import logging
from datetime import timedelta

from apps.core.exceptions import DeliveryError
from apps.core.models import Delivery, ProviderEvent
from apps.core.providers.sns import confirm_subscription
from apps.core.states import Via

from . import provider_events, ses_events, sns_envelope
from .set_aside import POISON, set_aside

logger = logging.getLogger(__name__)


class AlreadyStored(Exception):
    """A message with this ID was stored before."""


def receive(
    body: bytes, via: Via, *, oldest: timedelta | None = sns_envelope.OLDEST
) -> list[Delivery]:
    """Store the events of one SNS message and apply them to their deliveries.

    Return the deliveries that stand in for those that ended, to wake workers for. A message that
    cannot be read is set aside. Raise UntrustedMessage, TryAgainLater, AlreadyStored, or the
    database's error if nothing was stored.
    """
    envelope = sns_envelope.verify(body, oldest=oldest)
    if envelope.kind == "SubscriptionConfirmation":
        _confirm(envelope)
        logger.warning("subscription confirmed topic=%s", envelope.topic_arn)
        return []
    if envelope.kind == "UnsubscribeConfirmation":
        logger.error("subscription ended, no more events come topic=%s", envelope.topic_arn)
        return []
    if ProviderEvent.objects.filter(envelope_id=envelope.message_id).exists():
        raise AlreadyStored
    try:
        return _apply(envelope, via)
    except POISON as error:
        set_aside(envelope.message, via, error)
        return []


def _confirm(envelope: sns_envelope.Envelope) -> None:
    try:
        confirm_subscription(envelope.topic_arn, envelope.token)
    except DeliveryError as error:
        raise sns_envelope.TryAgainLater(f"the subscription is not confirmed: {error}") from error


def _apply(envelope: sns_envelope.Envelope, via: Via) -> list[Delivery]:
    try:
        events = ses_events.parse(envelope.message, envelope.message_id)
    except ses_events.NotAnEvent:
        if envelope.message.lstrip()[:1] in ("{", "["):
            raise
        # SES tests a new topic with a sentence.
        logger.info("SNS message is no event id=%s", envelope.message_id)
        return []
    for event in events:
        event.via = via
    return provider_events.receive(events)
