import os
from collections.abc import Iterator

import pytest
from celery import signals

from apps.core.delivery import shutdown


@pytest.fixture(autouse=True)
def running() -> Iterator[None]:
    yield
    shutdown._flag[0] = 0


def test_a_worker_that_celery_stops_tells_its_turns() -> None:
    assert not shutdown.is_requested()
    signals.worker_shutting_down.send(sender="worker@host", sig="TERM", how="Warm", exitcode=0)
    assert shutdown.is_requested()


def test_a_process_that_was_forked_before_hears_of_it() -> None:
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(told, 1)
        os._exit(0 if shutdown.is_requested() else 1)
    shutdown.request()
    os.write(tell, b".")
    _, status = os.waitpid(child, 0)
    os.close(told)
    os.close(tell)
    assert status == 0
