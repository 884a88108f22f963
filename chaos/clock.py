"""The application with a faster clock, for beat where a run cannot wait for the real one."""

from celery.schedules import schedule

from rs_systems.celery import app

app.conf.beat_schedule["dispatch-due-notifications"]["schedule"] = schedule(run_every=1.0)
