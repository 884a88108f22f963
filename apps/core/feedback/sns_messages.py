"""Receive one SNS message, from the webhook or from the queue: verify, parse, apply."""

import logging
from datetime import timedelta

from apps.core.exceptions import DeliveryError
from apps.core.models import Delivery, ProviderEvent
from apps.core.providers.sns import confirm_subscription
from apps.core.states import Via

from . import provider_events, ses_events, sns_envelope

logger = logging.getLogger(__name__)


class AlreadyStored(Exception):
    """A message with this ID was stored before."""


def receive(
    body: bytes, via: Via, *, oldest: timedelta | None = sns_envelope.OLDEST
) -> list[Delivery]:
    """Store the events of one SNS message and apply them to their deliveries.

    Return the deliveries that stand in for those that ended, to wake workers for. Raise
    UntrustedMessage, TryAgainLater, AlreadyStored, or the database's error if nothing was stored.
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
    events = _parse(envelope)
    for event in events:
        event.via = via
    return provider_events.receive(events)


def _confirm(envelope: sns_envelope.Envelope) -> None:
    try:
        confirm_subscription(envelope.topic_arn, envelope.token)
    except DeliveryError as error:
        raise sns_envelope.TryAgainLater(f"the subscription is not confirmed: {error}") from error


def _parse(envelope: sns_envelope.Envelope) -> list[ProviderEvent]:
    try:
        return ses_events.parse(envelope.message, envelope.message_id)
    except ses_events.NotAnEvent as error:
        # SES tests a new topic with a sentence. JSON that we cannot read is an error.
        level = logging.ERROR if envelope.message.startswith("{") else logging.INFO
        logger.log(level, "SNS message is no event id=%s: %s", envelope.message_id, error)
        return []
