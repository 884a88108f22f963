"""The application with short intervals, for runs that cannot wait for the real ones."""

from celery.schedules import schedule

from rs_systems.celery import app

for name in ("dispatch-due-notifications", "release-held", "send-daily-digests"):
    app.conf.beat_schedule[name]["schedule"] = schedule(run_every=1.0)
