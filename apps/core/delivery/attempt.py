"""One attempt to send one delivery: the claim, and what is checked before the call.

The claim is one transaction that only one worker wins, and the attempt's number fences off a worker
that comes too late. The provider is called outside every transaction. An error that is not handled
here is a bug: it is logged, and the sweep recovers the row when its lease has run out.
"""

import logging
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from apps.core import conf
from apps.core.channels.base import ChannelService
from apps.core.channels.email import EmailService
from apps.core.channels.sms import SMSService
from apps.core.exceptions import NotCalled
from apps.core.guards import circuit_breaker, suppressions
from apps.core.models import Delivery
from apps.core.models.delivery import DeliveryQuerySet
from apps.core.models.suppression import SuppressionReason
from apps.core.states import Channel, DeliveryState, Priority

from .places import Pool

logger = logging.getLogger(__name__)


@dataclass
class Lease:
    """How long this process may hold its deliveries, by its own clock, from before the claim.

    A process that was stopped for longer must not call: another worker may have them.
    """

    ends: float = field(default_factory=lambda: _uptime() + conf.lease().total_seconds())

    @property
    def is_over(self) -> bool:
        return _uptime() > self.ends

    @property
    def age_s(self) -> float:
        """Return the seconds since before the claim."""
        return _uptime() - self.ends + conf.lease().total_seconds()


@dataclass
class Attempt:
    """One worker's try to send one delivery."""

    delivery: Delivery
    lease: Lease
    suppression: SuppressionReason | None
    #: It probes whether a stopped channel works again.
    is_probe: bool = False
    #: The log says that the call begins.
    is_announced: bool = False

    @property
    def channel(self) -> Channel:
        return Channel(self.delivery.channel)

    @property
    def is_urgent(self) -> bool:
        return self.delivery.priority == Priority.URGENT

    @property
    def is_first(self) -> bool:
        return self.delivery.attempts == 1

    def check_lease(self) -> None:
        """Raise NotCalled if another worker may have the delivery."""
        if self.lease.is_over:
            logger.warning("lease over before the call id=%s", self.delivery.pk)
            raise NotCalled("its lease is over", is_announced=self.is_announced)


def ready(pool: Pool) -> DeliveryQuerySet:
    """Return the pool's deliveries that a worker may claim now, whether its channel runs or not."""
    due = Delivery.objects.filter(
        channel=pool.channel, state=DeliveryState.DUE, next_attempt_at__lte=Now()
    )
    return due.filter(priority=Priority.URGENT) if pool.is_urgent else due


def claim(pool: Pool, limit: int) -> list[Attempt]:
    """Claim up to `limit` due deliveries for this worker, most urgent first.

    Urgent ones are claimed one at a time, so that each goes to the next free worker. Return none
    while the channel is stopped.
    """
    rows = circuit_breaker.running(ready(pool)).order_by("priority", "next_attempt_at")
    lease = Lease()
    with transaction.atomic():
        found = list(_for_attempts(rows)[:limit])
        if found and found[0].priority == Priority.URGENT:
            del found[1:]
        return _take(found, lease)


def claim_probe(delivery_id: UUID) -> Attempt | None:
    """Claim this delivery if it is due and its stopped channel's probe is; else return None."""
    lease = Lease()
    due = Delivery.objects.filter(
        pk=delivery_id, state=DeliveryState.DUE, next_attempt_at__lte=Now()
    )
    with transaction.atomic():
        found = list(_for_attempts(circuit_breaker.spared(due)))
        if not (found and circuit_breaker.take_probe(Channel(found[0].channel))):
            return None
        [this] = _take(found, lease)
    this.is_probe = True
    return this


def _for_attempts(rows: DeliveryQuerySet) -> QuerySet[Delivery, Any]:
    """Lock and return the rows with all that their attempts need; skip those of other workers."""
    skips = connection.features.has_select_for_update_skip_locked
    locked = rows.select_for_update(of=("self",), skip_locked=skips)
    return suppressions.with_reasons(locked.select_related("notification__recipient__contact"))


def _take(found: list[Delivery], lease: Lease) -> list[Attempt]:
    if not found:
        return []
    Delivery.objects.filter(pk__in=[row.pk for row in found]).move(
        DeliveryState.SENDING,
        attempts=F("attempts") + 1,
        lease_until=Now() + conf.lease(),
        next_attempt_at=None,
        # Money that an attempt of unknown outcome reserved stays committed; this one reserves
        # again.
        cost_usd=None,
        cost_month=None,
    )
    for row in found:
        row.state = DeliveryState.SENDING
        row.attempts += 1
        row.cost_usd = row.cost_month = None
    return [Attempt(row, lease, suppressions.reason_of(row)) for row in found]


def service_for(channel: Channel) -> ChannelService[Any]:
    return EmailService() if channel == Channel.EMAIL else SMSService()


def _uptime() -> float:
    """Return seconds, including those for which the host was suspended.

    Linux's monotonic clock leaves these out. A virtual machine that is frozen from outside may
    count none of them by any clock of its own.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
