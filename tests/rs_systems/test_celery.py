"""Celery runs as configured. It silently accepts names that it does not know."""

import re
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from celery.schedules import crontab
from django.conf import settings

from apps.core import conf, tasks
from apps.core.delivery import broker, wakeups
from apps.core.models import Delivery
from apps.core.states import DeliveryState, Priority
from rs_systems.celery import app
from tests.support.services import Worker, wait_until, wait_with_beat

QUEUES = (broker.QUEUE, broker.HOUSEKEEPING)


def test_every_beat_entry_names_a_registered_task() -> None:
    app.loader.import_default_modules()
    assert app.conf.beat_schedule
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] in app.tasks, name


def test_the_specification_s_entries_run_at_its_times() -> None:
    schedule = app.conf.beat_schedule
    retry = schedule["retry-failed-notifications"]["schedule"]
    assert retry.run_every == timedelta(minutes=5)
    cleanup = schedule["cleanup-old-logs"]["schedule"]
    assert (cleanup.day_of_week, cleanup.hour, cleanup.minute) == ({0}, {2}, {0})
    assert schedule["dispatch-due-notifications"]["schedule"].run_every == timedelta(seconds=15)
    # At nine in each person's own zone, which is at any quarter of an hour.
    assert schedule["send-daily-digests"]["task"] == "apps.core.tasks.send_daily_digests"
    assert schedule["send-daily-digests"]["schedule"].run_every == timedelta(minutes=1)
    assert app.conf.timezone == "America/New_York"


def test_a_run_expires_when_the_next_one_is_due() -> None:
    for name, entry in app.conf.beat_schedule.items():
        expires = timedelta(seconds=entry["options"]["expires"])
        if isinstance(entry["schedule"], crontab):
            assert expires <= timedelta(hours=12), name
        else:
            assert expires == max(entry["schedule"].run_every, timedelta(minutes=1)), name


def test_housekeeping_comes_after_every_message() -> None:
    for name, entry in app.conf.beat_schedule.items():
        is_sweep = entry["task"].rpartition(".")[2] in (
            "dispatch_due_notifications",
            "retry_failed_notifications",
            "release_held",
        )
        assert entry["options"]["priority"] == (Priority.URGENT if is_sweep else Priority.LOW), name
        assert app.amqp.router.route({}, entry["task"])["queue"].name == broker.HOUSEKEEPING, name


#: The nights on which New York's clocks change, in UTC: back at 06:00, forward at 07:00.
CLOCKS = {"back": datetime(2026, 11, 1, tzinfo=UTC), "forward": datetime(2026, 3, 8, tzinfo=UTC)}


@pytest.mark.parametrize("name", app.conf.beat_schedule)
@pytest.mark.parametrize("night", CLOCKS)
def test_no_run_is_missed_or_doubled_when_clocks_change(name: str, night: str) -> None:
    entry = copy(app.conf.beat_schedule[name]["schedule"])
    begin = CLOCKS[night]
    now = begin
    entry.nowfun = lambda: now.astimezone(app.timezone)
    last, runs = begin, []
    while now < begin + timedelta(days=1):
        if entry.is_due(last.astimezone(app.timezone)).is_due:
            runs.append(now)
            last = now
        now += timedelta(seconds=5)
    if isinstance(entry, crontab):
        assert len(runs) == 1, runs
    else:
        gaps = {later - sooner for sooner, later in pairwise([begin, *runs])}
        assert gaps == {entry.run_every}


def test_a_worker_without_a_queue_option_reads_every_task() -> None:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert len(ours) >= 6
    for name in ours:
        assert app.amqp.router.route({}, name)["queue"].name in QUEUES, name
    # In this order a worker asks for tasks of one priority.
    assert tuple(app.amqp.queues.consume_from) == QUEUES


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
    consumed = set(queues[1].split(",")) if queues else set(app.amqp.queues.consume_from)
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
        "task_default_queue": broker.QUEUE,
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


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_an_hour_s_backlog_of_beat_does_not_delay_a_message(
    worker: Callable[..., Worker], delivery: Callable[..., Delivery]
) -> None:
    app.loader.import_default_modules()
    now = datetime.now(UTC)
    for entry in app.conf.beat_schedule.values():
        if not isinstance(entry["schedule"], crontab):
            _publish_for_an_hour(entry, now)
    assert sum(broker.waiting().values()) == 0, "none counts as a wake-up"
    row = delivery()
    wakeups.wake([row])
    running = worker(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")
    wait_until(
        lambda: not sum(broker.waiting(broker.HOUSEKEEPING).values()) and running.is_idle(),
        "the worker has worked off the backlog",
    )
    row.refresh_from_db()
    assert row.state == DeliveryState.ACCEPTED
    done = re.findall(r"Task apps\.\w+\.tasks\.(\w+)\[\S+\] succeeded", running.output)
    sent = done.index("send_notification_email")
    first = {"dispatch_due_notifications", "retry_failed_notifications", "release_held"}
    assert set(done[:sent]) <= first
    # The rest of the hour has expired: at most the last minute's runs are left.
    assert len(done) < 30


def _publish_for_an_hour(entry: dict[str, Any], now: datetime) -> None:
    """Publish what beat would have published in the last hour."""
    for age in range(3600, 0, -int(entry["schedule"].run_every.total_seconds())):
        expires = now + timedelta(seconds=entry["options"]["expires"] - age)
        priority = entry["options"]["priority"]
        app.tasks[entry["task"]].apply_async(priority=priority, expires=expires)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_each_worker_reads_its_queue_and_one_of_them_sends(
    worker: Callable[..., Worker], delivery: Callable[..., Delivery]
) -> None:
    console = {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    sends = worker(queues=broker.QUEUE, **console)
    keeps_house = worker(queues=broker.HOUSEKEEPING, **console)
    assert broker.workers_online() == 1
    # No wake-up: the sweep must find it.
    row = delivery()
    wakeups.wake_dispatch()
    sent = Delivery.objects.filter(pk=row.pk, state=DeliveryState.ACCEPTED)
    wait_with_beat(sent.exists, "it is accepted")
    assert "dispatch_due_notifications" in keeps_house.output
    assert "dispatch_due_notifications[" not in sends.output
