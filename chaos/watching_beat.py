"""The application whose alarms are judged every two seconds."""

from celery.schedules import schedule

from rs_systems.celery import app

app.conf.beat_schedule["send-alerts"]["schedule"] = schedule(run_every=2.0)
