"""The Celery application and the table of all recurring work."""

from logging.config import dictConfig
from typing import Any

from celery import Celery, Task, bootsteps, signals
from celery.schedules import crontab, schedule
from celery.utils.log import get_task_logger

from . import environment

environment.configure()

app = Celery("rs_systems")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    # Wakes workers for due deliveries: scheduled ones, quick retries, lost wake-ups, and deliveries
    # whose worker's lease expired.
    "dispatch-due-notifications": {
        "task": "apps.core.tasks.dispatch_due_notifications",
        "schedule": schedule(run_every=15.0),
        "options": {"priority": 0},
    },
    # Makes deliveries due again after a back-off of minutes or hours.
    "retry-failed-notifications": {
        "task": "apps.core.tasks.retry_failed_notifications",
        "schedule": crontab(minute="*/5"),
        "options": {"priority": 0},
    },
    # Stops e-mail that is not urgent if too much of it bounces or is complained about. Tells the
    # administrator once about that, about a stopped channel and about the month's SMS budget.
    "send-alerts": {
        "task": "apps.core.tasks.send_alerts",
        "schedule": crontab(minute="*/5"),
        "options": {"priority": 0},
    },
    # Reads SMS receipts. SNS writes them to a CloudWatch log and sends no event.
    "read-sms-receipts": {
        "task": "apps.core.tasks.read_sms_receipts",
        "schedule": schedule(run_every=30.0),
        "options": {"priority": 0},
    },
    # Reads the providers' events from the SQS queue.
    "read-event-queue": {
        "task": "apps.core.tasks.read_event_queue",
        "schedule": schedule(run_every=10.0),
        "options": {"priority": 0},
    },
    # Compares the ledger with AWS's own counts, and tells the administrator what differs.
    "reconcile-with-aws": {
        "task": "apps.aws.tasks.reconcile_with_aws",
        "schedule": crontab(hour=3, minute=30),
    },
    # Publishes metrics to CloudWatch, whose alarms treat missing data as a failure.
    "publish-metrics": {
        "task": "apps.core.tasks.publish_metrics",
        "schedule": schedule(run_every=60.0),
        "options": {"priority": 0, "expires": 55},
    },
    # Suppresses numbers that answered STOP, and releases those that answered START.
    "read-opt-outs": {
        "task": "apps.core.tasks.read_opt_outs",
        "schedule": crontab(minute=20),
        "options": {"priority": 0},
    },
    # Suppresses the addresses on SES's own list, and removes lifted ones from AWS's lists.
    "read-suppression-list": {
        "task": "apps.core.tasks.read_suppression_list",
        "schedule": crontab(hour=3, minute=10),
    },
    "cleanup-old-logs": {
        "task": "apps.core.tasks.cleanup_old_delivery_logs",
        "schedule": crontab(hour=2, minute=0, day_of_week=0),
    },
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
