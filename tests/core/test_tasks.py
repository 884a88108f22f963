import socket
import socketserver
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import sweeps, wakeups
from apps.core.models import Delivery
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.broker import use_broker
from tests.support.serving import serving

Make = Callable[..., Delivery]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[socket.socket], None]:
    """Points publishers at a socket that is no broker."""

    def point(bound: socket.socket) -> None:
        url = f"redis://127.0.0.1:{bound.getsockname()[1]}/0"
        use_broker(url, monkeypatch)

    return point


@pytest.mark.django_db
@pytest.mark.parametrize("answers_the_phone", [False, True], ids=["closed port", "hung broker"])
def test_a_broker_that_is_down_loses_nothing_and_raises_nothing(
    delivery: Make, listener: socket.socket, broker_at: Any, answers_the_phone: bool
) -> None:
    if answers_the_phone:
        listener.listen()
    broker_at(listener)
    rows = [delivery(Channel.EMAIL), delivery(Channel.SMS)]
    wakeups.wake(rows)
    assert sweeps.due() == rows


@pytest.mark.django_db
def test_a_broker_that_just_failed_is_not_tried_again_at_once(
    delivery: Make, listener: socket.socket, broker_at: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker_at(listener)
    wakeups.wake([delivery(), delivery()])
    wakeups.wake([delivery()])
    assert [record.message[:18] for record in caplog.records] == ["broker unreachable"]


class Chatter(socketserver.ThreadingTCPServer):
    """Accepts connections and says something that is no Redis protocol."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatterHandler)


class ChatterHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)
        self.rfile.readline()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "url", ["foo://127.0.0.1/0", "redis://127.0.0.1:notaport/0", "redis://[::1/0", "{chatter}"]
)
def test_notify_raises_for_no_broker_and_no_url(
    notify: Callable[..., Any],
    person: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
) -> None:
    with serving(Chatter()) as chatter:
        url = url.format(chatter=f"redis://127.0.0.1:{chatter.server_address[1]}/0")
        use_broker(url, monkeypatch)
        notify(person())
    assert [row.state for row in Delivery.objects.all()] == [DeliveryState.DUE] * 2


@pytest.mark.django_db(transaction=True)
def test_an_error_of_the_wake_up_does_not_reach_the_caller(
    notify: Callable[..., Any], person: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(wakeups, "wake", broken)
    with transaction.atomic():
        notify(person())
    assert Delivery.objects.count() == 2


@pytest.mark.django_db
def test_a_send_task_wakes_a_worker_for_the_delivery_that_stands_in(
    delivery: Make, woken: list[Any]
) -> None:
    row = delivery(Channel.SMS, Priority.HIGH)
    row.notification.recipient.contact.sms_opt_in = False
    row.notification.recipient.contact.save()
    tasks.send_notification_sms(str(row.pk))
    stand_in = row.notification.deliveries.get(channel=Channel.EMAIL)
    options = {"args": (str(stand_in.pk),), "priority": Priority.MEDIUM, "expires": 60.0}
    assert woken == [("apps.core.tasks.send_notification_email", options)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("run", "held_for"),
    [
        (tasks.release_held, Reason.QUIET_HOURS),
        (tasks.release_held, Reason.CAP),
        (tasks.send_daily_digests, Reason.DIGEST),
    ],
)
def test_what_is_held_becomes_due_when_its_time_has_come(
    delivery: Make, woken: list[Any], run: Callable[[], None], held_for: Reason
) -> None:
    over, later = timezone.now(), timezone.now() + timedelta(hours=1)
    rows = [
        delivery(state=DeliveryState.HELD, held_for=held_for, release_at=at) for at in (over, later)
    ]
    run()
    states = [Delivery.objects.get(pk=row.pk).state for row in rows]
    assert states == [DeliveryState.DUE, DeliveryState.HELD]
    assert [name for name, _ in woken] == ["apps.core.tasks.dispatch_due_notifications"]
