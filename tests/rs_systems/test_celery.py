"""Celery runs as configured. It silently accepts names that it does not know."""

import re
from pathlib import Path

from django.conf import settings

from apps.core import conf, tasks
from apps.core.delivery.broker import QUEUE
from rs_systems.celery import app


def test_every_beat_entry_names_a_registered_task() -> None:
    app.loader.import_default_modules()
    assert app.conf.beat_schedule
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] in app.tasks, name


def test_the_specification_s_entries_run_at_its_times() -> None:
    schedule = app.conf.beat_schedule
    retry = schedule["retry-failed-notifications"]["schedule"]
    assert retry.minute == set(range(0, 60, 5))
    assert retry.hour == set(range(24))
    cleanup = schedule["cleanup-old-logs"]["schedule"]
    assert (cleanup.day_of_week, cleanup.hour, cleanup.minute) == ({0}, {2}, {0})
    assert schedule["dispatch-due-notifications"]["schedule"].run_every.total_seconds() == 15
    assert app.conf.timezone == "America/New_York"


def test_metrics_expire_before_the_next_are_due() -> None:
    entry = app.conf.beat_schedule["publish-metrics"]
    assert entry["options"]["expires"] < entry["schedule"].run_every.total_seconds() == 60
    assert tasks.publish_metrics.time_limit == tasks.SOFT_LIMIT_S < 60


def test_aws_s_lists_are_read_each_night_and_each_hour() -> None:
    schedule = app.conf.beat_schedule
    nightly = schedule["read-suppression-list"]["schedule"]
    assert (nightly.hour, nightly.minute) == ({3}, {10})
    hourly = schedule["read-opt-outs"]["schedule"]
    assert (len(hourly.hour), hourly.minute) == (24, {20})


def test_a_worker_without_a_queue_option_reads_every_task() -> None:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert len(ours) >= 6
    for name in ours:
        assert app.amqp.router.route({}, name)["queue"].name == QUEUE, name
    assert set(app.amqp.queues.consume_from) == {QUEUE}


def test_every_route_leads_to_a_registered_task() -> None:
    app.loader.import_default_modules()
    for pattern in settings.CELERY_TASK_ROUTES:
        matches = re.compile(pattern.replace(".", r"\.").replace("*", ".*")).fullmatch
        assert any(matches(name) for name in app.tasks), pattern


def test_every_queue_has_a_consumer_in_the_procfile() -> None:
    processes = dict(
        line.split(": ", 1)
        for line in (Path(settings.BASE_DIR) / "Procfile").read_text().splitlines()
        if ": " in line and not line.startswith("#")
    )
    queues = re.search(r"(?:-Q|--queues)[ =](\S+)", processes["worker"])
    consumed = set(queues[1].split(",")) if queues else {app.conf.task_default_queue}
    assert consumed == set(app.amqp.queues)
    assert " beat" in processes["beat"]


def test_the_settings_reach_celery_under_its_own_names() -> None:
    expected = {
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": 300,
        "task_soft_time_limit": 240,
        "task_always_eager": False,
        "task_ignore_result": True,
        "result_backend": None,
        "task_default_queue": QUEUE,
        "task_create_missing_queues": False,
        "task_publish_retry_policy": {"max_retries": 0},
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 1000,
        "broker_connection_max_retries": None,
        "enable_utc": True,
    }
    assert {name: app.conf[name] for name in expected} == expected


def test_no_celery_setting_of_ours_is_unknown_to_celery() -> None:
    from celery.app.defaults import NAMESPACES, flatten

    known = {option[0] for option in flatten(NAMESPACES)}
    ours = {name[len("CELERY_") :].lower() for name in dir(settings) if name.startswith("CELERY_")}
    assert ours <= known


def test_a_send_task_ends_before_its_lease_and_its_redelivery() -> None:
    for sender in (tasks.send_notification_email, tasks.send_notification_sms):
        assert sender.soft_time_limit
        assert sender.time_limit
        assert sender.soft_time_limit < sender.time_limit < conf.lease().total_seconds()
    prefetched = app.conf.worker_prefetch_multiplier + 1
    visibility = app.conf.broker_transport_options["visibility_timeout"]
    assert visibility > prefetched * app.conf.task_time_limit
