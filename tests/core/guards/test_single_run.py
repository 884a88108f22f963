import threading
from typing import Any

import pytest
import redis

from apps.core import redis_client
from apps.core.guards.single_run import single_run


@pytest.fixture(autouse=True)
def _empty_redis(redis_url: str) -> None:
    redis.Redis.from_url(redis_url).flushall()


def test_a_second_run_is_skipped_while_the_first_works() -> None:
    started, end, runs = threading.Event(), threading.Event(), []

    @single_run(seconds=60)
    def read() -> None:
        runs.append(1)
        started.set()
        end.wait(30)

    first = threading.Thread(target=read)
    first.start()
    assert started.wait(30)
    read()
    assert len(runs) == 1
    end.set()
    first.join()
    read()
    assert len(runs) == 2


def test_a_run_that_fails_lets_the_next_one_work() -> None:
    runs = []

    @single_run(seconds=60)
    def read() -> None:
        runs.append(1)
        raise ValueError("a bug")

    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            read()
    assert len(runs) == 2


def test_a_lock_that_another_run_took_over_is_not_released() -> None:
    @single_run(seconds=60)
    def read() -> None:
        # As if this run had outlived its lock.
        redis_client.shared().set("rs:single-run:read", "another run")

    read()
    assert redis_client.shared().get("rs:single-run:read") == b"another run"


def test_without_redis_the_run_works(redis_server: Any) -> None:
    runs = []

    @single_run(seconds=60)
    def read() -> None:
        runs.append(1)

    redis_server.stop()
    read()
    assert runs == [1]
