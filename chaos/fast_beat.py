"""The application with a sweep each second, for runs that cannot wait for the real interval."""

from celery.schedules import schedule

from rs_systems.celery import app

app.conf.beat_schedule["dispatch-due-notifications"]["schedule"] = schedule(run_every=1.0)
