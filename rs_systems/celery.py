"""The Celery application, its queue, and every clock of the system."""

from logging.config import dictConfig
from typing import Any

from celery import Celery, Task, bootsteps, signals
from celery.schedules import crontab, schedule
from celery.utils.log import get_task_logger

from apps.core import redis_client

from . import environment

environment.configure()
redis_client.use_in_kombu()

app = Celery("rs_systems")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    # Wakes every delivery that is due and has nobody working on it: scheduled ones whose time has
    # come, quick retries, enqueues that were lost, leases that ran out.
    "dispatch-due-notifications": {
        "task": "apps.core.tasks.dispatch_due_notifications",
        "schedule": schedule(run_every=15.0),
        "options": {"priority": 0},
    },
    # Gives the failed ones another chance, those whose back-off is counted in minutes and hours.
    "retry-failed-notifications": {
        "task": "apps.core.tasks.retry_failed_notifications",
        "schedule": crontab(minute="*/5"),
        "options": {"priority": 0},
    },
    # Looks at the shares of e-mail that bounce or are complained about, and stops what is not
    # urgent where they are too large. Tells the administrator, once each, of that, of a channel
    # that stands still, and of the month's text message budget.
    "send-alerts": {
        "task": "apps.core.tasks.send_alerts",
        "schedule": crontab(minute="*/5"),
        "options": {"priority": 0},
    },
    # Reads what became of the text messages, which SNS writes to a log and tells nobody.
    "read-sms-receipts": {
        "task": "apps.core.tasks.read_sms_receipts",
        "schedule": schedule(run_every=30.0),
        "options": {"priority": 0},
    },
    # Reads the providers' events where they come by a queue.
    "read-event-queue": {
        "task": "apps.core.tasks.read_event_queue",
        "schedule": schedule(run_every=10.0),
        "options": {"priority": 0},
    },
    # Holds the ledger against AWS's own counts, and tells the administrator what differs.
    "reconcile-with-aws": {
        "task": "apps.aws.tasks.reconcile_with_aws",
        "schedule": crontab(hour=3, minute=30),
    },
    # Tells CloudWatch how the system is; its alarms take silence for a failure. One that has waited
    # for its turn until the next has come is not run.
    "publish-metrics": {
        "task": "apps.core.tasks.publish_metrics",
        "schedule": schedule(run_every=60.0),
        "options": {"priority": 0, "expires": 55},
    },
    # Takes over the numbers whose owners answered STOP, and lets go those who answered START.
    "read-opt-outs": {
        "task": "apps.core.tasks.read_opt_outs",
        "schedule": crontab(minute=20),
        "options": {"priority": 0},
    },
    # Takes over the addresses that SES leaves alone, and tries again to take off AWS's lists what
    # was lifted here.
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
    """A worker that has (re)connected to the broker looks for due deliveries at once.

    After an outage the broker may be empty, and beat's next turn is up to 15 seconds away.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        from apps.core.delivery import wakeups

        wakeups.wake_dispatch()


app.steps["consumer"].add(SweepOnConnect)


@signals.setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Keep Celery's hands off the loggers: Django's LOGGING is the only configuration."""
    from django.conf import settings

    dictConfig(settings.LOGGING)


@signals.celeryd_init.connect
def give_workers_patience(conf: Any, **_: Any) -> None:
    """A worker blocks on the broker for a second at a time; a publisher must fail within one."""
    from django.conf import settings

    conf.broker_transport_options = {
        **conf.broker_transport_options,
        **settings.WORKER_BROKER_TRANSPORT_OPTIONS,
    }


@app.task(bind=True, ignore_result=True)
def debug_task(self: "Task[..., None]") -> None:
    """Log the request: `celery -A rs_systems call rs_systems.celery.debug_task` shows a worker."""
    get_task_logger(__name__).info("debug task request=%r", self.request)
