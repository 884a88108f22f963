"""The Celery tasks, each a shim, and the one place where a worker is woken for a delivery."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from . import (
    alerts,
    attempts,
    conf,
    events,
    heartbeat,
    lines,
    metrics,
    provider_lists,
    receipts,
    reconciliation,
    reputation,
    sweeps,
)
from .exceptions import ChannelUnavailableError, DeliveryError
from .models import Delivery
from .states import Channel, DeliveryState, Priority
from .webhooks import queue

logger = logging.getLogger(__name__)

#: Seconds. Above the provider's time-outs, and below DELIVERY_LEASE_S.
SOFT_LIMIT_S, HARD_LIMIT_S = 30, 45
#: Seconds that a broker which just failed is left alone.
BROKER_REST_S = 5.0
_broker_rests_until = 0.0


@shared_task(
    bind=True,
    name="apps.core.tasks.send_notification_email",
    soft_time_limit=SOFT_LIMIT_S,
    time_limit=HARD_LIMIT_S,
)
def send_notification_email(self: Any, delivery_id: str) -> None:
    _attempt(delivery_id, lines.of(Channel.EMAIL, _priority(self)))


@shared_task(
    bind=True,
    name="apps.core.tasks.send_notification_sms",
    soft_time_limit=SOFT_LIMIT_S,
    time_limit=HARD_LIMIT_S,
)
def send_notification_sms(self: Any, delivery_id: str) -> None:
    _attempt(delivery_id, lines.of(Channel.SMS, _priority(self)))


@shared_task(name="apps.core.tasks.dispatch_due_notifications")
def dispatch_due_notifications() -> None:
    enqueue(sweeps.due())
    enqueue(events.match_waiting())
    heartbeat.stamp()


@shared_task(name="apps.core.tasks.retry_failed_notifications")
def retry_failed_notifications() -> None:
    if sweeps.retry():
        enqueue_dispatch()


@shared_task(name="apps.core.tasks.cleanup_old_delivery_logs")
def cleanup_old_delivery_logs() -> None:
    logger.info("delivery log cleaned lines=%d", sweeps.cleanup_logs())


@shared_task(name="apps.core.tasks.send_alerts")
def send_alerts() -> None:
    found = reputation.watch()
    alerts.send_budget_alerts()
    alerts.send_channel_alerts()
    alerts.send_reputation_warning(found)


@shared_task(name="apps.core.tasks.read_sms_receipts")
def read_sms_receipts() -> None:
    if not settings.SMS_DELIVERY_LOG_GROUP:
        return
    try:
        enqueue(receipts.read())
    except ChannelUnavailableError as error:
        logger.warning("receipts of text messages not read, the next turn tries again: %s", error)


@shared_task(name="apps.core.tasks.read_event_queue")
def read_event_queue() -> None:
    if settings.AWS_SES_EVENT_QUEUE_URL:
        enqueue(queue.drain(settings.AWS_SES_EVENT_QUEUE_URL))


@shared_task(name="apps.core.tasks.reconcile_with_aws")
def reconcile_with_aws() -> None:
    # The sandbox forgets all that it has counted when it stops.
    if settings.ENVIRONMENT != "development":
        alerts.send_differences(reconciliation.differences())


@shared_task(name="apps.core.tasks.publish_metrics", soft_time_limit=20, time_limit=SOFT_LIMIT_S)
def publish_metrics() -> None:
    if settings.CLOUDWATCH_METRICS:
        metrics.publish()


@shared_task(name="apps.core.tasks.read_suppression_list")
def read_suppression_list() -> None:
    if conf.ses_keeps_a_list():
        _read("SES's suppression list", provider_lists.read_suppressed)
    provider_lists.take_off()


@shared_task(name="apps.core.tasks.read_opt_outs")
def read_opt_outs() -> None:
    if conf.sns_sends_texts():
        _read("SNS's list of opt-outs", provider_lists.read_opted_out)
    provider_lists.take_off()


@shared_task(name="apps.core.tasks.take_off_lists")
def take_off_lists() -> None:
    provider_lists.take_off()


def _read(what: str, read: Callable[[], None]) -> None:
    try:
        read()
    except DeliveryError as error:
        logger.warning("%s not read to its end, the next turn tries again: %s", what, error)


def _priority(task: Any) -> Priority:
    """That with which a worker was woken, which is the delivery's, but where a person did it."""
    woken_with = (task.request.delivery_info or {}).get("priority")
    return Priority(woken_with) if woken_with in Priority.values else Priority.MEDIUM


def _attempt(delivery_id: str, line: lines.Line) -> None:
    pk = UUID(delivery_id)
    place = lines.join(line, pk)
    if place is None:
        logger.debug("line is full, the delivery waits in the database id=%s", delivery_id)
        return
    try:
        stand_in = attempts.attempt(pk, at_its_turn=partial(_wake_next, place))
    finally:
        _wake_next(place)
    if stand_in:
        enqueue([stand_in])


def _wake_next(place: lines.Place) -> None:
    """Let the next ones into the line, where it is behind."""
    if rows := sweeps.next_in(place.line, place.leave()):
        _reached(partial(_wake_these, place.line, rows))


_SENDERS: dict[str, Any] = {
    Channel.EMAIL: send_notification_email,
    Channel.SMS: send_notification_sms,
}


def enqueue(deliveries: Sequence[Delivery]) -> None:
    """Have workers see to the deliveries, most urgent first. Never raises for a broker.

    What cannot be enqueued stays due, and the sweep finds it. A broker that is down is tried
    once, and then left alone for BROKER_REST_S, so that a request waits for it once at most.
    """
    by_line: dict[lines.Line, list[Delivery]] = {}
    for row in deliveries:
        line = lines.of(Channel(row.channel), Priority(row.priority))
        by_line.setdefault(line, []).append(row)
    lost = [row.pk for line, rows in by_line.items() if not _wake(line, rows) for row in rows]
    if lost:
        Delivery.objects.filter(pk__in=lost, state=DeliveryState.DUE).update(enqueued_at=None)


def _wake(line: lines.Line, rows: Sequence[Delivery]) -> bool:
    """Have these worked off; False where the broker is down.

    No more are woken than may wait in the line: each will wake another. And none where somebody
    waits already who will.
    """

    def wake() -> None:
        if settings.CELERY_TASK_ALWAYS_EAGER:
            # There are no others.
            _send_wake_ups(rows)
        elif line.look().is_moving:
            return
        elif len(rows) > line.places:
            _wake_these(line, rows[: line.places])
        else:
            _send_wake_ups(rows)

    return _reached(wake)


def _wake_these(line: lines.Line, rows: Sequence[Delivery]) -> None:
    """Wake workers for some of those who are due in a line that is behind."""
    line.keep(row.pk for row in rows)
    _send_wake_ups(rows)


def _send_wake_ups(rows: Sequence[Delivery]) -> None:
    for row in rows:
        _SENDERS[row.channel].apply_async(args=(str(row.pk),), priority=row.priority)


def enqueue_dispatch() -> None:
    """Have a worker look for due deliveries now, rather than at the sweep's next turn."""
    _publish(dispatch_due_notifications, priority=Priority.URGENT)


def enqueue_take_off() -> None:
    """Have what was just lifted taken off AWS's lists now, rather than in the night."""
    _publish(take_off_lists)


def _publish(task: Any, **options: Any) -> bool:
    return _reached(partial(task.apply_async, **options))


def _reached(publish: Callable[[], object]) -> bool:
    """Whether the broker took what this publishes."""
    global _broker_rests_until
    if time.monotonic() < _broker_rests_until:
        return False
    try:
        publish()
    except (OperationalError, RedisError) as error:
        logger.warning("broker unreachable, the sweep will find the row: %s", error)
        _broker_rests_until = time.monotonic() + BROKER_REST_S
        return False
    return True
