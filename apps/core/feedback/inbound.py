"""The way of one SNS message: verify, parse, apply. Whoever brings it, a webhook or a queue."""

import logging
from datetime import timedelta

from apps.core.exceptions import DeliveryError
from apps.core.models import Delivery, ProviderEvent
from apps.core.providers.sns import confirm_subscription
from apps.core.states import Via

from . import provider_events, ses_events, sns_envelope

logger = logging.getLogger(__name__)


class Replayed(Exception):
    """The message was stored before."""


def take(
    body: bytes, via: Via, *, oldest: timedelta | None = sns_envelope.OLDEST
) -> list[Delivery]:
    """Store what one SNS message reports, and apply it to its deliveries.

    Returns the deliveries that stand in for those which ended, for workers to be woken. Raises
    Refused, Unavailable, Replayed, and whatever the database raises where nothing was stored.
    """
    envelope = sns_envelope.verified(body, oldest=oldest)
    if envelope.kind == "SubscriptionConfirmation":
        _confirm(envelope)
        logger.warning("subscription confirmed topic=%s", envelope.topic_arn)
        return []
    if envelope.kind == "UnsubscribeConfirmation":
        logger.error("the topic no longer reports here topic=%s", envelope.topic_arn)
        return []
    reports = _reports(envelope)
    for report in reports:
        report.via = via
    return provider_events.receive(reports)


def _confirm(envelope: sns_envelope.Envelope) -> None:
    try:
        confirm_subscription(envelope.topic_arn, envelope.token)
    except DeliveryError as error:
        raise sns_envelope.Unavailable(f"the subscription is not confirmed: {error}") from error


def _reports(envelope: sns_envelope.Envelope) -> list[ProviderEvent]:
    if ProviderEvent.objects.filter(envelope_id=envelope.message_id).exists():
        raise Replayed
    try:
        return ses_events.reports(envelope.message, envelope.message_id)
    except ses_events.NotAReport as error:
        # SES tries a new topic with a sentence. A report that we cannot read is another matter.
        level = logging.ERROR if envelope.message.startswith("{") else logging.INFO
        logger.log(level, "message of SNS is no report id=%s: %s", envelope.message_id, error)
        return []
