"""What our connections to Redis do when the node behind them is no primary any more."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connection

from apps.core import redis_client
from apps.core.delivery import broker, wakeups
from apps.core.guards import rate_limit
from apps.core.models import Delivery
from apps.core.states import DeliveryState, Priority
from tests.support.failover import MovingAddress, moving_address
from tests.support.services import Redis, Worker, wait_until

CONSOLE = {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Redis, Redis]]:
    pair = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        pair.append(Redis(tmp_path / name))
    try:
        for node in pair:
            node.start()
        yield pair[0], pair[1]
    finally:
        for node in pair:
            node.stop()


@pytest.fixture
def address(
    nodes: tuple[Redis, Redis], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MovingAddress]:
    """Yield the address at which this process, and its workers, find their Redis."""
    with moving_address(nodes[0]) as moving:
        # Before the variable: Celery reads it for what is to be restored here at the end.
        monkeypatch.setattr(current_app.conf, "broker_read_url", moving.url)
        monkeypatch.setattr(current_app.conf, "broker_write_url", moving.url)
        monkeypatch.setenv("CELERY_BROKER_URL", moving.url)
        monkeypatch.setattr(current_app.amqp, "_producer_pool", None)
        monkeypatch.setattr(current_app, "_pool", None)
        monkeypatch.setattr(wakeups, "_broker_rests_until", 0.0)
        settings.CELERY_BROKER_URL = moving.url
        rate_limit.client.cache_clear()
        yield moving
        rate_limit.client.cache_clear()


@pytest.mark.services
def test_our_client_finds_the_new_primary_at_its_next_command(
    nodes: tuple[Redis, Redis], address: MovingAddress
) -> None:
    client = redis_client.client(timeout_s=5)
    assert client.set("before", 1)
    address.fail_over(nodes[1])
    assert client.set("after", 1)
    assert redis.Redis(port=nodes[1].port).get("after") == b"1"


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_wake_up_after_a_failover_reaches_the_new_primary(
    nodes: tuple[Redis, Redis], address: MovingAddress, delivery: Callable[..., Delivery]
) -> None:
    wakeups.wake([delivery(priority=Priority.MEDIUM)])
    assert sum(broker.waiting().values()) == 1
    address.fail_over(nodes[1])
    redis.Redis(port=nodes[1].port).flushall()
    wakeups.wake([delivery(priority=Priority.MEDIUM)])
    assert redis.Redis(port=nodes[1].port).llen("notifications\x06\x166") == 1


@pytest.mark.services
def test_a_worker_goes_on_after_a_failover_without_a_restart(
    nodes: tuple[Redis, Redis],
    address: MovingAddress,
    worker: Callable[..., Worker],
    delivery: Callable[..., Delivery],
) -> None:
    running = worker(**CONSOLE)
    before = delivery()
    wakeups.wake([before])
    sent = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    wait_until(lambda: sent.filter(pk=before.pk).exists(), "the first is sent")
    address.fail_over(nodes[1])
    after = [delivery() for _ in range(3)]
    for row in after:
        wakeups.wake([row])
    wait_until(lambda: sent.count() == 4, "the others are sent", seconds=60)
    assert running.process.poll() is None
    connection.close()


class Answering(socketserver.ThreadingTCPServer):
    """Answers every command with the same line."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, line: bytes) -> None:
        super().__init__(("127.0.0.1", 0), AnsweringHandler)
        self.line = line
        self.connections = 0


class AnsweringHandler(socketserver.BaseRequestHandler):
    server: Answering

    def handle(self) -> None:
        self.server.connections += 1
        while self.request.recv(65536):
            self.request.sendall(self.server.line)


@pytest.mark.parametrize(
    "line",
    [
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
    ],
)
def test_an_answer_of_a_wrong_node_closes_the_connection(line: bytes) -> None:
    with Answering(line) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        client = redis.Redis.from_url(
            f"redis://127.0.0.1:{server.server_address[1]}/0",
            connection_class=redis_client.Connection,
            driver_info=None,
        )
        with pytest.raises(redis.ConnectionError):
            client.execute_command("LPUSH", "queue", "task")
        assert server.connections == 2, "it connects again, once"
        server.shutdown()
