"""The figures of `/metrics`, read from the database and Redis when Prometheus asks.

No process counts for itself, so the answer is the same whichever web process gives it, and however
many hosts there are. Each query reads an index, and counts no more rows than MOST.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count, Min, Sum
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from apps.core import durations
from apps.core.audit import heartbeat
from apps.core.costs import tally
from apps.core.delivery import broker, places
from apps.core.guards import rate_limit, sms_budget
from apps.core.models import (
    ChannelStop,
    CostTally,
    Delivery,
    NotificationDeliveryLog,
    SMSSpend,
)
from apps.core.states import ENDS_OF_ATTEMPTS, Channel, DeliveryState, LogEvent, Priority

logger = logging.getLogger(__name__)

#: A count of waiting deliveries stops here. Each of these states has an index of its own.
MOST = 100_000
WAITING = (
    DeliveryState.DUE,
    DeliveryState.SENDING,
    DeliveryState.RETRYING,
    DeliveryState.UNKNOWN,
    DeliveryState.HELD,
)
#: The time over which ended attempts are counted.
WINDOW = timedelta(minutes=5)
_DURATIONS = {
    "call": "Seconds of one call of a provider.",
    "attempt": "Seconds from a worker's claim to the provider's answer.",
    "wait": "Seconds from when a message was due to its acceptance.",
}


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry)


class Collector:
    """Reads the figures anew at each scrape."""

    def collect(self) -> Iterable[Metric]:
        yield from _deliveries()
        yield from _queue()
        yield _attempts()
        yield from _accepted()
        yield from _money()
        yield from _channels()
        yield from _ages()
        yield from _redis()


def _deliveries() -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "rs_deliveries",
        f"Deliveries in a state that is not final; counted up to {MOST}.",
        labels=["channel", "state"],
    )
    for state in WAITING:
        for channel in Channel:
            rows = Delivery.objects.filter(state=state, channel=channel).order_by()
            family.add_metric([channel, state], rows[:MOST].count())
    yield family


def _queue() -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "rs_queue_depth",
        f"Deliveries that are due and that no worker has; counted up to {MOST}.",
        labels=["channel", "priority"],
    )
    age = GaugeMetricFamily(
        "rs_queue_oldest_seconds",
        "Seconds for which the oldest of them has been due.",
        labels=["channel", "priority"],
    )
    now = timezone.now()
    for channel in Channel:
        for priority in Priority:
            due = Delivery.objects.filter(
                state=DeliveryState.DUE,
                channel=channel,
                priority=priority,
                next_attempt_at__lte=Now(),
            ).order_by()
            labels = [channel, priority.name.lower()]
            depth.add_metric(labels, due[:MOST].count())
            oldest = due.aggregate(at=Min("next_attempt_at"))["at"]
            age.add_metric(labels, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
    yield depth
    yield age


def _attempts() -> Metric:
    family = GaugeMetricFamily(
        "rs_attempts_recent",
        f"Attempts that ended within {WINDOW.seconds // 60} minutes, by how.",
        labels=["channel", "outcome"],
    )
    ended = NotificationDeliveryLog.objects.filter(
        event__in=ENDS_OF_ATTEMPTS, at__gt=Now() - WINDOW
    ).order_by()
    rows = ended.values_list("delivery__channel", "event").annotate(ended=Count("pk"))
    found = {(channel, event): count for channel, event, count in rows}
    for channel in Channel:
        for event in ENDS_OF_ATTEMPTS:
            family.add_metric([channel, LogEvent(event).value], found.get((channel, event), 0))
    return family


def _accepted() -> Iterator[Metric]:
    """Yield the counters, which begin at 0 with each month: the tally has a row for each day."""
    messages = CounterMetricFamily(
        "rs_accepted", "Messages that providers accepted this month.", labels=["channel", "kind"]
    )
    parts = CounterMetricFamily(
        "rs_sms_parts", "Parts of texts that were accepted this month.", labels=["country"]
    )
    rows = CostTally.objects.filter(day__gte=sms_budget.this_month()).order_by()
    for channel, kind, sent in rows.values_list("channel", "kind").annotate(Sum("messages")):
        messages.add_metric([channel, kind], sent)
    texts = rows.filter(channel=Channel.SMS)
    for country, sent in texts.values_list("country").annotate(Sum("parts")):
        parts.add_metric([country], sent)
    yield messages
    yield parts


def _money() -> Iterator[Metric]:
    spend = SMSSpend.objects.filter(month=sms_budget.this_month()).first()
    yield GaugeMetricFamily(
        "rs_sms_spend_usd",
        "US dollars spent on or reserved for this month's texts.",
        value=float(spend.committed_usd) if spend else 0.0,
    )
    yield GaugeMetricFamily(
        "rs_sms_spend_limit_usd",
        "US dollars that a month's texts may cost.",
        value=float(settings.SMS_MONTHLY_SPEND_LIMIT_USD),
    )


def _channels() -> Iterator[Metric]:
    stopped = set(ChannelStop.objects.values_list("channel", flat=True))
    family = GaugeMetricFamily(
        "rs_channel_stopped", "1 if the channel is stopped.", labels=["channel"]
    )
    limit = GaugeMetricFamily(
        "rs_rate_limit", "Messages (parts of texts) a second that are allowed.", labels=["channel"]
    )
    for channel in Channel:
        family.add_metric([channel], float(channel in stopped))
        limit.add_metric([channel], float(rate_limit.rate(channel)))
    yield family
    yield limit


def _ages() -> Iterator[Metric]:
    now = timezone.now()
    if counted := tally.counted_until():
        yield GaugeMetricFamily(
            "rs_tally_age_seconds",
            "Seconds since the time up to which accepted messages are counted.",
            value=(now - counted).total_seconds(),
        )


def _redis() -> Iterator[Metric]:
    """Yield what Redis knows. Without Redis these are missing, and rs_redis_up is 0."""
    try:
        found = [*_places(), *_durations(), *_sweep(), _wakeups()]
    except (redis.RedisError, OperationalError) as error:
        logger.warning("metrics without Redis: %s", error)
        found = []
    yield GaugeMetricFamily("rs_redis_up", "1 if Redis answered.", value=float(bool(found)))
    yield from found


def _sweep() -> Iterator[Metric]:
    if (age := heartbeat.age()) is not None:
        yield GaugeMetricFamily(
            "rs_sweep_age_seconds",
            "Seconds since a worker last ran the sweep that beat asks for.",
            value=age.total_seconds(),
        )


def _wakeups() -> Metric:
    family = GaugeMetricFamily(
        "rs_tasks_waiting", "Celery tasks that wait in the broker.", labels=["queue", "priority"]
    )
    for queue in (broker.QUEUE, broker.HOUSEKEEPING):
        for priority, count in broker.waiting(queue).items():
            family.add_metric([queue, priority.name.lower()], count)
    return family


def _places() -> Iterator[Metric]:
    held = GaugeMetricFamily(
        "rs_places_held", "Processes that pull from a pool.", labels=["channel", "pool"]
    )
    size = GaugeMetricFamily("rs_places", "Places of a pool.", labels=["channel", "pool"])
    for pool in places.POOLS:
        labels = [pool.channel, "urgent" if pool.is_urgent else "all"]
        held.add_metric(labels, places.count_held(pool))
        size.add_metric(labels, pool.size)
    yield held
    yield size


def _durations() -> Iterator[Metric]:
    families = {
        name: HistogramMetricFamily(f"rs_{name}_seconds", words, labels=["channel"])
        for name, words in _DURATIONS.items()
    }
    for found in durations.read():
        families[found.name].add_metric([found.channel], _cumulative(found.buckets), found.sum)
    yield from families.values()


def _cumulative(buckets: dict[str, float]) -> list[Any]:
    """Return Prometheus's buckets: each has all that is below its bound."""
    total, found = 0.0, []
    for label in durations.LABELS:
        total += buckets.get(label, 0.0)
        found.append((label, total))
    return found
