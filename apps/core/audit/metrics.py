"""How the system is, in five numbers, which the stack's alarms look at.

docs/deploy.md has the table. That they are published says as much as they do: beat sent the task,
Redis carried it, a worker ran it, and the database wrote it down before CloudWatch was told.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.delivery import broker
from apps.core.exceptions import DeliveryError
from apps.core.models import Delivery, Mark, NotificationDeliveryLog
from apps.core.providers import cloudwatch
from apps.core.providers.cloudwatch import Metric
from apps.core.states import ENDS_OF_ATTEMPTS, FAILED_ATTEMPTS, DeliveryState

logger = logging.getLogger(__name__)

#: When they were last measured, last published, and last said to be refused.
MEASURED, PUBLISHED, REFUSED = "metrics measured", "metrics published", "metrics refused"
#: Over what the failed attempts are counted.
WINDOW = timedelta(minutes=5)
#: How often is said that CloudWatch takes none.
COMPLAIN_EVERY = timedelta(hours=1)


def publish() -> None:
    """Measure, and tell CloudWatch. Never raises for CloudWatch: the next minute tries again."""
    now = timezone.now()
    # Heartbeat means that the database wrote something down; this is what it wrote.
    _mark(MEASURED)
    metrics = [Metric("Heartbeat", 1, "Count"), *measured()]
    try:
        cloudwatch.publish(metrics, now)
    except DeliveryError as error:
        _complain(error)
    else:
        _mark(PUBLISHED)


def measured() -> Iterator[Metric]:
    """What can be said now; raises what Celery, Redis and the database raise."""
    yield Metric("WorkersOnline", broker.workers_online(), "Count")
    yield Metric("QueueDepth", _due(), "Count")
    ended, failed = _attempts()
    yield Metric("AttemptsEnded", ended, "Count")
    yield Metric("AttemptsFailed", failed, "Count")


def last_published() -> timedelta | None:
    """How long ago CloudWatch last took them; None where it never did."""
    mark = Mark.objects.filter(name=PUBLISHED).first()
    return timezone.now() - mark.at if mark else None


def _due() -> int:
    """Deliveries that are due and in nobody's hands."""
    waiting = Q(state=DeliveryState.DUE) | Q(state=DeliveryState.RETRYING)
    return Delivery.objects.filter(waiting, next_attempt_at__lte=Now()).count()


def _attempts() -> tuple[int, int]:
    """The attempts that ended of late, and those of them that failed."""
    lines = NotificationDeliveryLog.objects.filter(
        event__in=ENDS_OF_ATTEMPTS, at__gt=Now() - WINDOW
    ).order_by()
    # Two lines may speak of one attempt: no answer, and then the provider's report.
    attempts = lines.values("delivery_id", "attempt").annotate(
        failures=Count("pk", filter=Q(event__in=FAILED_ATTEMPTS))
    )
    counts = attempts.aggregate(
        ended=Count("delivery_id"), failed=Count("delivery_id", filter=Q(failures__gt=0))
    )
    return counts["ended"], counts["failed"]


def _complain(error: DeliveryError) -> None:
    """Once an hour: a minute's metrics are no loss, and a host outside AWS may want none."""
    said = Mark.objects.filter(name=REFUSED, at__gt=timezone.now() - COMPLAIN_EVERY)
    if not said.exists():
        logger.warning("metrics not published, which is said once an hour: %s", error)
        _mark(REFUSED)


def _mark(name: str) -> None:
    Mark.objects.update_or_create(name=name, defaults={"at": timezone.now()})
