"""The circuit breaker of each channel: a refusal of the whole account stops the channel.

With wrong credentials or a paused account, the provider would refuse every delivery. The first
refusal stops the channel for all workers, and its deliveries stay due. From time to time one
delivery may pass as a probe. Once the provider answers about the message itself, the channel runs
again and the sweep finds the other deliveries.

A person can pause a channel too. Then nothing leaves, probes included, until a person resumes it.
"""

import logging
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.core.exceptions import ChannelUnavailableError
from apps.core.models import ChannelStop
from apps.core.models.channel_stop import StopCause
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.redaction import storable
from apps.core.states import Channel, Priority

from .signals import channel_refused

logger = logging.getLogger(__name__)

FIRST_PROBE = timedelta(seconds=15)
LONGEST_PROBE = timedelta(minutes=5)


def running(deliveries: DeliveryQuerySet) -> DeliveryQuerySet:
    """Return the deliveries whose channel is not stopped for them."""
    return spared(deliveries).filter(~Exists(_stops(StopCause.PROVIDER)))


def spared(deliveries: DeliveryQuerySet) -> DeliveryQuerySet:
    """Return the deliveries that neither a person nor the reputation holds back."""
    return deliveries.filter(
        Q(priority=Priority.URGENT) | ~Exists(_stops(StopCause.REPUTATION)),
        ~Exists(_stops(StopCause.PERSON)),
    )


def _stops(cause: StopCause) -> QuerySet[ChannelStop]:
    return ChannelStop.objects.filter(channel=OuterRef("channel"), cause=cause)


def stop(channel: Channel, error: ChannelUnavailableError) -> None:
    """Stop the channel; if it is stopped already, keep the provider's newest words.

    Do nothing if the refused credentials have been replaced by new ones.
    """
    if any(renewed for _, renewed in channel_refused.send(sender=ChannelStop, channel=channel)):
        logger.warning("channel goes on with new credentials channel=%s: %s", channel, error)
        return
    words = {"code": storable(error.code, 64), "reason": storable(error.detail, 500)}
    row, stopped = ChannelStop.objects.get_or_create(
        channel=channel,
        cause=StopCause.PROVIDER,
        defaults={**words, "probe_at": Now() + FIRST_PROBE},
    )
    if stopped:
        logger.error("channel stopped channel=%s: %s", channel, error)
    else:
        ChannelStop.objects.filter(pk=row.pk).update(**words)


def hold_back(channel: Channel, reason: str) -> None:
    """Hold back what is not urgent on the channel, until `resume`."""
    _, stopped = ChannelStop.objects.update_or_create(
        channel=channel, cause=StopCause.REPUTATION, defaults={"reason": reason}
    )
    if stopped:
        logger.error("channel held back channel=%s: %s", channel, reason)


def pause(channel: Channel, by: str, why: str) -> bool:
    """Stop the channel by a person's decision; return False if a person has paused it before."""
    reason = storable(f"by {by}: {why}" if why else f"by {by}", 500)
    _, stopped = ChannelStop.objects.get_or_create(
        channel=channel, cause=StopCause.PERSON, defaults={"reason": reason}
    )
    if stopped:
        logger.warning("channel paused channel=%s %s", channel, reason)
    return stopped


def take_probe(channel: Channel) -> bool:
    """Take the channel's probe. Return False if no probe is due."""
    due = ChannelStop.objects.filter(channel=channel, probe_at__lte=Now()).first()
    if due is None:
        return False
    wait = min(LONGEST_PROBE, FIRST_PROBE * 2 ** min(due.probes + 1, 10))
    this_one = ChannelStop.objects.filter(pk=due.pk, probes=due.probes)
    return bool(this_one.update(probes=F("probes") + 1, probe_at=Now() + wait))


def return_probe(channel: Channel) -> None:
    """Make the probe due again: the delivery that took it could not ask the provider."""
    stopped = ChannelStop.objects.filter(channel=channel, cause=StopCause.PROVIDER, probes__gt=0)
    stopped.update(probes=F("probes") - 1, probe_at=Now())


def resume(channel: Channel, why: str, *, cause: StopCause = StopCause.PROVIDER) -> bool:
    """Let the channel run again. Return False if it was not stopped for that cause."""
    resumed, _ = ChannelStop.objects.filter(channel=channel, cause=cause).delete()
    if resumed:
        logger.warning("channel resumed channel=%s: %s", channel, why)
    return bool(resumed)


def probe_now(channels: QuerySet[ChannelStop]) -> int:
    """Make the probe of each of these channels due now. Return how many."""
    return channels.filter(cause=StopCause.PROVIDER).update(probe_at=Now())
