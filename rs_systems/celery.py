"""The Celery application and the table of all recurring work."""

from logging.config import dictConfig
from typing import Any

from celery import Celery, Task, bootsteps, signals, states
from celery.schedules import crontab, schedule
from celery.utils.log import get_task_logger
from structlog.contextvars import bind_contextvars, clear_contextvars

from apps.core import redis_client
from apps.core.states import Priority

from . import environment, flower

environment.configure()
flower.check_sign_in()
redis_client.use_in_kombu()

app = Celery("rs_systems")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

#: Seconds that a task waits in the queue before it expires: its interval, but at least this long,
#: so that hosts whose clocks differ by some seconds still run it.
LEAST_EXPIRY_S = 60.0
HOUR_S = 3600.0


def _every(seconds: float, task: str, priority: int = Priority.LOW) -> dict[str, Any]:
    """Return an entry that runs at an interval, also when the clocks are changed.

    A run that has waited for its whole interval expires, because the next one is in the queue.
    """
    expires = max(seconds, LEAST_EXPIRY_S)
    options = {"priority": int(priority), "expires": expires}
    return {"task": task, "schedule": schedule(run_every=seconds), "options": options}


def _at(moment: crontab, task: str) -> dict[str, Any]:
    """Return an entry that runs at a time of the wall clock, in CELERY_TIMEZONE."""
    options = {"priority": int(Priority.LOW), "expires": 12 * HOUR_S}
    return {"task": task, "schedule": moment, "options": options}


app.conf.beat_schedule = {
    # Wakes workers for due deliveries: scheduled ones, quick retries, lost wake-ups, and deliveries
    # whose worker's lease expired. It is short, and sending depends on it: first of all priorities.
    "dispatch-due-notifications": _every(
        15.0, "apps.core.tasks.dispatch_due_notifications", Priority.URGENT
    ),
    # Makes deliveries due again after a back-off of minutes or hours.
    "retry-failed-notifications": _every(
        300.0, "apps.core.tasks.retry_failed_notifications", Priority.URGENT
    ),
    # Releases what quiet hours, a pause or a cap held and whose time is over.
    "release-held": _every(30.0, "apps.core.tasks.release_held", Priority.URGENT),
    # Makes the daily digest of each person whose hour has come: it is nine o'clock somewhere at any
    # quarter of an hour. Each person has one digest a day, however often this runs. An interval,
    # because a crontab of every few minutes leaves out an hour when the clock is set back.
    "send-daily-digests": _every(60.0, "apps.core.tasks.send_daily_digests"),
    # Counts what happened in the last minutes, for the cockpit and the alarms.
    "keep-figures": _every(60.0, "apps.core.tasks.keep_figures"),
    # Starts and ends alarms, and tells the administrator and the phone on call once of each.
    "send-alerts": _every(60.0, "apps.core.tasks.send_alerts"),
    # Stops e-mail that is not urgent if too much of it bounces or is complained about. Counts why
    # deliveries fail.
    "watch-reputation": _every(300.0, "apps.core.tasks.watch_reputation"),
    # Checks the records of the last day, for an alarm.
    "check-ledger": _every(HOUR_S, "apps.core.tasks.check_ledger"),
    # Reads how much of SES's daily quota is used, and runs the doctor, for alarms.
    "read-quota": _every(900.0, "apps.aws.tasks.read_quota"),
    "examine-account": _every(HOUR_S, "apps.aws.tasks.examine_account"),
    # Reads SMS receipts. SNS writes them to a CloudWatch log and sends no event.
    "read-sms-receipts": _every(30.0, "apps.core.tasks.read_sms_receipts"),
    # Reads the providers' events from the SQS queue.
    "read-event-queue": _every(10.0, "apps.core.tasks.read_event_queue"),
    # Publishes metrics to CloudWatch, whose alarms treat missing data as a failure.
    "publish-metrics": _every(60.0, "apps.core.tasks.publish_metrics"),
    # Counts what was accepted, by day, for the costs page and the metrics.
    "tally-costs": _every(300.0, "apps.core.tasks.tally_costs"),
    # Suppresses numbers that answered STOP, and releases those that answered START.
    "read-opt-outs": _every(300.0, "apps.core.tasks.read_opt_outs"),
    # Suppresses the addresses on SES's own list, and removes lifted ones from AWS's lists.
    "read-suppression-list": _at(
        crontab(hour=3, minute=10), "apps.core.tasks.read_suppression_list"
    ),
    # Compares the ledger with AWS's own counts, and tells the administrator what differs.
    "reconcile-with-aws": _at(crontab(hour=3, minute=30), "apps.aws.tasks.reconcile_with_aws"),
    # Tells the administrator which approvers and technicians no urgent message reaches.
    "tell-unreached": _at(crontab(hour=3, minute=50), "apps.office.tasks.tell_unreached"),
    "cleanup-old-logs": _at(
        crontab(hour=2, minute=0, day_of_week=0), "apps.core.tasks.cleanup_old_delivery_logs"
    ),
}


class SweepOnConnect(bootsteps.StartStopStep):
    """Run the sweep whenever a worker has connected to the broker.

    After an outage the broker may be empty, and beat's next sweep is up to 15 seconds away.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        from apps.core.delivery import wakeups

        wakeups.wake_dispatch()


app.steps["consumer"].add(SweepOnConnect)


@signals.setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Configure logging from Django's LOGGING, instead of Celery's own configuration."""
    from django.conf import settings

    dictConfig(settings.LOGGING)


@signals.task_prerun.connect
def name_the_task_in_its_logs(task_id: str, task: Any, args: Any, **_: Any) -> None:
    """Bind the task's id, and those of the request and the delivery that it was woken for."""
    if task.request.is_eager:
        # The request's own ids are bound.
        return
    clear_contextvars()
    bind_contextvars(task_id=task_id)
    if woken_by := task.request.get("request_id"):
        bind_contextvars(woken_by=woken_by)
    if args and task.name.startswith("apps.core.tasks.send_notification_"):
        bind_contextvars(woken_for=args[0])


@signals.worker_shutting_down.connect
def give_back_what_is_claimed(**_: Any) -> None:
    """Tell the worker's processes to finish their calls and give back the rest."""
    from apps.core.delivery import shutdown

    shutdown.request()


@signals.task_postrun.connect
def count_task(state: str = "", **_: Any) -> None:
    """Count the task for the alarm `task-failures`."""
    from apps.core.audit import task_counts

    task_counts.count(has_failed=state == states.FAILURE)


@signals.celeryd_init.connect
def give_workers_patience(conf: Any, **_: Any) -> None:
    """Give workers longer broker time-outs: they block for a second, and a publisher must not."""
    from django.conf import settings

    conf.broker_transport_options = {
        **conf.broker_transport_options,
        **settings.WORKER_BROKER_TRANSPORT_OPTIONS,
    }


@app.task(bind=True, ignore_result=True)
def debug_task(self: "Task[..., None]") -> None:
    """Log the request: `celery -A rs_systems call rs_systems.celery.debug_task` tests a worker."""
    get_task_logger(__name__).info("debug task request=%r", self.request)
