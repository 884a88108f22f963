import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from apps.core import tasks
from apps.core.audit import heartbeat
from tests.support.services import Redis, Worker, wait_until


@pytest.fixture(autouse=True)
def empty(redis_url: str) -> None:
    redis.Redis.from_url(redis_url).flushall()


def test_before_the_first_sweep_there_is_no_heartbeat() -> None:
    assert heartbeat.age() is None


def test_redis_says_how_long_it_has_run() -> None:
    assert timedelta(0) <= heartbeat.redis_uptime() <= timedelta(days=1)


def test_a_sweep_stamps_it(db: None) -> None:
    began = time.monotonic()
    tasks.dispatch_due_notifications()
    age = heartbeat.age()
    assert age is not None
    assert timedelta(0) <= age <= since(began)


def test_its_age_is_by_redis_s_clock(redis_url: str) -> None:
    heartbeat.stamp()
    began, ago = time.monotonic(), timedelta(minutes=5)
    redis.Redis.from_url(redis_url).pexpire(heartbeat.KEY, heartbeat.LIFE - ago)
    age = heartbeat.age()
    assert age is not None
    assert ago <= age <= ago + since(began)


def since(moment: float) -> timedelta:
    """Return at most the time since then; Redis counts whole milliseconds."""
    return timedelta(seconds=time.monotonic() - moment, milliseconds=1)


@pytest.mark.services
def test_without_redis_a_warning_is_logged(redis_server: Redis, caplog: Any) -> None:
    redis_server.stop()
    heartbeat.stamp()
    assert "heartbeat not written" in caplog.text


@pytest.mark.services
def test_a_worker_stamps_it_when_it_has_connected(worker: Callable[..., Worker]) -> None:
    worker()
    wait_until(heartbeat.age, "the sweep has run")
