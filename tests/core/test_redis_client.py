"""What our connections to Redis do when the node behind them is no primary any more."""

import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import kombu
import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import connection
from kombu.exceptions import OperationalError

from apps.core import redis_client
from apps.core.delivery import broker, wakeups
from apps.core.models import Delivery
from apps.core.states import DeliveryState, Priority
from tests.support.broker import use_broker
from tests.support.failover import MovingAddress, moving_address
from tests.support.services import Redis, Worker, wait_until
from tests.support.serving import serving

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
def address(nodes: tuple[Redis, Redis], monkeypatch: pytest.MonkeyPatch) -> Iterator[MovingAddress]:
    """Where this process, and the workers that it starts, find their Redis."""
    with moving_address(nodes[0]) as moving:
        # Before the variable: Celery reads it for what is to be restored here at the end.
        monkeypatch.setattr(current_app.conf, "broker_read_url", moving.url)
        use_broker(moving.url, monkeypatch)
        monkeypatch.setenv("CELERY_BROKER_URL", moving.url)
        yield moving


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
    with serving(Answering(line)) as server:
        client = redis.Redis.from_url(
            f"redis://127.0.0.1:{server.server_address[1]}/0",
            connection_class=redis_client.Connection,
            driver_info=None,
        )
        with pytest.raises(redis.ConnectionError):
            client.execute_command("LPUSH", "queue", "task")
        assert server.connections == 2, "it connects again, once"


class Dripping(socketserver.BaseRequestHandler):
    """Answers the first command with one byte after the other, and with no end."""

    def handle(self) -> None:
        self.request.recv(65536)
        try:
            self.request.sendall(b"+")
            while not self.server.is_over.wait(0.02):  # type: ignore[attr-defined]
                self.request.sendall(b"O")
        except OSError:
            return


def ask_by_our_client() -> None:
    redis_client.client(0.2).ping()


def ask_by_kombu() -> None:
    with kombu.Connection(settings.CELERY_BROKER_URL) as opened:
        opened.default_channel.client.ping()  # type: ignore[attr-defined]


@pytest.mark.parametrize("ask", [ask_by_our_client, ask_by_kombu])
def test_an_answer_that_drips_ends_with_the_time_of_one_answer(
    ask: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "ANSWER_S", 0.3)
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping)
    server.is_over = threading.Event()  # type: ignore[attr-defined]
    with serving(server):
        url = f"redis://127.0.0.1:{server.server_address[1]}/0"
        monkeypatch.setattr(settings, "CELERY_BROKER_URL", url)
        with pytest.raises((redis.RedisError, OperationalError), match=r"slowly|Timeout"):
            ask()
        server.is_over.set()  # type: ignore[attr-defined]


def test_a_long_wait_for_an_answer_is_not_a_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "ANSWER_S", 0.0)
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        timed = redis_client._TimedSocket(ours)
        for _ in range(2):
            timed.restart()
            theirs.sendall(b"+OK\r\n")
            assert timed.recv(100) == b"+OK\r\n"
        with pytest.raises(TimeoutError):
            timed.recv(100)


class Closing(socketserver.BaseRequestHandler):
    """Answers one command, and closes the connection when the client has the answer."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"+OK\r\n")
        self.server.has_answered.wait(10)  # type: ignore[attr-defined]


def test_an_idle_connection_that_the_server_closed_is_replaced_before_the_next_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_client, "ANSWER_S", 0.0)
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closing)
    server.has_answered = threading.Event()  # type: ignore[attr-defined]
    with serving(server):
        client = redis.Redis.from_url(
            f"redis://127.0.0.1:{server.server_address[1]}/0",
            connection_class=redis_client.Connection,
            driver_info=None,
            protocol=2,
        )
        idle = client.connection_pool.get_connection()
        idle.send_command("SET", "key", 1)
        assert idle.read_response() == b"OK"
        client.connection_pool.release(idle)
        server.has_answered.set()  # type: ignore[attr-defined]
        assert select.select([idle._sock], [], [], 10)[0]  # type: ignore[type-var]
        assert client.set("key", 2)
