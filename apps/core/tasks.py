"""The Celery tasks. Each is a shim: the packages below do the work."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings

from . import conf
from .audit import heartbeat, metrics, observations, rollups
from .audit.alarms import telling, watch
from .costs import tally
from .delivery import cleanup, folding, holds, sweeps, turn, wakeups
from .exceptions import DeliveryError
from .feedback import event_queue, provider_events, sms_receipts, suppression_sync
from .guards.single_run import single_run
from .models import Verification
from .states import Channel, Priority

logger = logging.getLogger(__name__)

#: Seconds. Above a turn with its last calls, and below DELIVERY_LEASE_S.
SOFT_LIMIT_S, HARD_LIMIT_S = 40, 55
LIMITS: Any = {"soft_time_limit": SOFT_LIMIT_S, "time_limit": HARD_LIMIT_S}
#: Of the tasks that read what providers report, every few seconds and once a night.
READER_LIMITS: Any = {"soft_time_limit": 60, "time_limit": 90}
NIGHTLY_LIMITS: Any = {"soft_time_limit": 240, "time_limit": 300}


@shared_task(bind=True, name="apps.core.tasks.send_notification_email", **LIMITS)
def send_notification_email(self: Any, delivery_id: str) -> None:
    turn.handle(UUID(delivery_id), Channel.EMAIL, _priority(self))


@shared_task(bind=True, name="apps.core.tasks.send_notification_sms", **LIMITS)
def send_notification_sms(self: Any, delivery_id: str) -> None:
    turn.handle(UUID(delivery_id), Channel.SMS, _priority(self))


@shared_task(name="apps.core.tasks.dispatch_due_notifications")
def dispatch_due_notifications() -> None:
    wakeups.wake(sweeps.due())
    wakeups.wake(provider_events.match_waiting())
    heartbeat.stamp()


@shared_task(name="apps.core.tasks.retry_failed_notifications")
def retry_failed_notifications() -> None:
    if sweeps.retry():
        wakeups.wake_dispatch()


@shared_task(name="apps.core.tasks.release_held")
def release_held() -> None:
    holds.release_due()
    folding.fold_due()


@shared_task(name="apps.core.tasks.send_daily_digests")
def send_daily_digests() -> None:
    folding.send_daily_digests()


@shared_task(name="apps.core.tasks.cleanup_old_delivery_logs", **NIGHTLY_LIMITS)
@single_run(seconds=310)
def cleanup_old_delivery_logs() -> None:
    deleted = cleanup.clean_up()
    logger.info("old rows deleted %s", " ".join(f"{k}={v}" for k, v in deleted.items()))
    Verification.objects.old().delete()


@shared_task(name="apps.core.tasks.send_alerts", **READER_LIMITS)
@single_run(seconds=100)
def send_alerts() -> None:
    try:
        watch.evaluate()
    finally:
        # Tell which alarms have started even if a figure cannot be read now.
        telling.tell()


@shared_task(name="apps.core.tasks.keep_figures", **READER_LIMITS)
@single_run(seconds=100)
def keep_figures() -> None:
    rollups.keep()


@shared_task(name="apps.core.tasks.watch_reputation", **READER_LIMITS)
def watch_reputation() -> None:
    observations.read_reputation()
    observations.read_reasons()


@shared_task(name="apps.core.tasks.check_ledger", **NIGHTLY_LIMITS)
@single_run(seconds=310)
def check_ledger() -> None:
    observations.check_ledger()


@shared_task(name="apps.core.tasks.read_sms_receipts", **READER_LIMITS)
@single_run(seconds=100)
def read_sms_receipts() -> None:
    if not settings.SMS_DELIVERY_LOG_GROUP:
        return
    try:
        wakeups.wake(sms_receipts.read())
    except DeliveryError as error:
        logger.warning("SMS receipts not read, the next run tries again: %s", error)


@shared_task(name="apps.core.tasks.read_event_queue", **READER_LIMITS)
@single_run(seconds=100)
def read_event_queue() -> None:
    if settings.AWS_SES_EVENT_QUEUE_URL:
        wakeups.wake(event_queue.drain(settings.AWS_SES_EVENT_QUEUE_URL))


@shared_task(name="apps.core.tasks.publish_metrics", soft_time_limit=20, time_limit=SOFT_LIMIT_S)
def publish_metrics() -> None:
    if settings.CLOUDWATCH_METRICS:
        metrics.publish()


@shared_task(name="apps.core.tasks.tally_costs", **READER_LIMITS)
def tally_costs() -> None:
    tally.count()


@shared_task(name="apps.core.tasks.read_suppression_list", **NIGHTLY_LIMITS)
@single_run(seconds=310)
def read_suppression_list() -> None:
    if conf.ses_keeps_a_list():
        _read("SES's suppression list", suppression_sync.read_suppressed)
    suppression_sync.remove_lifted()


@shared_task(name="apps.core.tasks.read_opt_outs", **NIGHTLY_LIMITS)
@single_run(seconds=310)
def read_opt_outs() -> None:
    if conf.sns_sends_texts():
        _read("SNS's list of opt-outs", suppression_sync.read_opted_out)
    suppression_sync.remove_lifted()


@shared_task(name="apps.core.tasks.take_off_lists")
def take_off_lists() -> None:
    suppression_sync.remove_lifted()


def _read(what: str, read: Callable[[], None]) -> None:
    try:
        read()
    except DeliveryError as error:
        logger.warning("%s not read to its end, the next run tries again: %s", what, error)


def _priority(task: Any) -> Priority:
    """Return the task's priority, normally the delivery's; a person may call a task without one."""
    woken_with = (task.request.delivery_info or {}).get("priority")
    return Priority(woken_with) if woken_with in Priority.values else Priority.MEDIUM
