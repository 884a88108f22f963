"""Publish five numbers to CloudWatch for the stack's alarms; docs/deploy.md has the table.

Publishing them proves that beat sent the task, Redis carried it, a worker ran it, and the database
accepted a write.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.delivery import broker
from apps.core.exceptions import DeliveryError
from apps.core.guards import circuit_breaker
from apps.core.models import Delivery, Mark, NotificationDeliveryLog
from apps.core.providers import cloudwatch
from apps.core.providers.cloudwatch import Metric
from apps.core.states import ENDS_OF_ATTEMPTS, FAILED_ATTEMPTS, DeliveryState

logger = logging.getLogger(__name__)

#: The marks of the last measurement, publication and logged refusal.
MEASURED, PUBLISHED, REFUSED = "metrics measured", "metrics published", "metrics refused"
#: The time over which attempts are counted.
WINDOW = timedelta(minutes=5)
#: How often a refusal by CloudWatch is logged.
WARN_EVERY = timedelta(hours=1)


def publish() -> None:
    """Measure and publish. Errors of CloudWatch are logged: the next minute tries again."""
    now = timezone.now()
    # The heartbeat means that the database accepts writes; this is one.
    _mark(MEASURED)
    metrics = [Metric("Heartbeat", 1, "Count"), *measure()]
    try:
        cloudwatch.publish(metrics, now)
    except DeliveryError as error:
        _warn(error)
    else:
        _mark(PUBLISHED)


def measure() -> Iterator[Metric]:
    """Yield the present values; raise the errors of Celery, Redis and the database."""
    yield Metric("WorkersOnline", broker.workers_online(), "Count")
    yield Metric("QueueDepth", _due(), "Count")
    ended, failed = _attempts()
    yield Metric("AttemptsEnded", ended, "Count")
    yield Metric("AttemptsFailed", failed, "Count")


def last_published() -> timedelta | None:
    """Return how long ago CloudWatch last accepted the metrics, or None if never."""
    mark = Mark.objects.filter(name=PUBLISHED).first()
    return timezone.now() - mark.at if mark else None


def _due() -> int:
    """Return how many deliveries are due and claimed by no worker, their channel not stopped."""
    waiting = Q(state=DeliveryState.DUE) | Q(state=DeliveryState.RETRYING)
    due = Delivery.objects.filter(waiting, next_attempt_at__lte=Now())
    return circuit_breaker.running(due).count()


def _attempts() -> tuple[int, int]:
    """Return how many attempts ended within the window, and how many of them failed."""
    entries = NotificationDeliveryLog.objects.filter(
        event__in=ENDS_OF_ATTEMPTS, at__gt=Now() - WINDOW
    ).order_by()
    # One attempt may have two entries: no answer, and then the provider's event.
    attempts = entries.values("delivery_id", "attempt").annotate(
        failures=Count("pk", filter=Q(event__in=FAILED_ATTEMPTS))
    )
    counts = attempts.aggregate(
        ended=Count("delivery_id"), failed=Count("delivery_id", filter=Q(failures__gt=0))
    )
    return counts["ended"], counts["failed"]


def _warn(error: DeliveryError) -> None:
    # Once an hour: losing a minute's metrics is harmless, and a host outside AWS may publish none.
    warned = Mark.objects.filter(name=REFUSED, at__gt=timezone.now() - WARN_EVERY)
    if not warned.exists():
        logger.warning("metrics not published (logged once an hour): %s", error)
        _mark(REFUSED)


def _mark(name: str) -> None:
    Mark.objects.update_or_create(name=name, defaults={"at": timezone.now()})
