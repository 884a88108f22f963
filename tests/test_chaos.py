"""The harness itself: what it counts, what it accepts, and that its processes come back.

`make chaos` runs the scenarios, `make chaos-quick` a few of them in little.
"""

import os
import socket
import socketserver
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core import redis_client
from apps.core.audit import admin_messages
from apps.core.audit.alarms import telling
from apps.core.audit.alarms.rules import BY_NAME
from apps.core.delivery import outcomes, transitions
from apps.core.delivery.places import Place, Pool
from apps.core.delivery.senders import GROUP
from apps.core.exceptions import AmbiguousError
from apps.core.message import kinds, rendering, wording
from apps.core.models import Alarm, Delivery
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from chaos import alarms, arrivals, delivery_log, digests, limits, producer, stale
from chaos.arrivals import Arrivals
from chaos.event_source import MOST_RECEIVES, EventSource, certificate_path
from chaos.forwarder import running_forwarder
from chaos.producer import PlannedNotification
from chaos.rig import RigPlan
from chaos.scenarios import QUICK, SCENARIOS
from chaos.service import Service, supervised
from chaos.verdict import Figures, Promise, judge
from tools.processes import LOOPBACK, free_ports

from .support.services import wait_until
from .support.serving import serving

GOOD = {"accepted": 500, "delivered": 500, "duplicates": 0, "unknown": 0, "drain_s": 12.0}


def planned(job_number: str, priority: Priority = Priority.URGENT) -> PlannedNotification:
    return PlannedNotification(job_number, User(username=job_number), priority, at_s=0, held=False)


def figures(**changed: Any) -> Figures:
    return Figures(**(GOOD | changed))


def test_a_kept_promise_has_no_problems() -> None:
    assert judge(Promise(), figures()) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"accepted": 0, "delivered": 0}, "no message was accepted, so nothing was tried"),
        ({"delivered": 499}, "1 lost"),
        ({"unexpected": 2}, "2 arrived that were never asked for"),
        ({"events_refused": 3}, "3 events refused by the webhook"),
        ({"duplicates": 1, "in_flight": 4}, "1 duplicates, 0 allowed"),
        ({"unanswered": 1}, "1 calls had no answer, but 0 deliveries were unknown"),
        ({"drain_s": 60.1}, "not drained within 60 s of the fault's end"),
        ({"drain_s": None}, "not drained within 60 s of the fault's end"),
    ],
)
def test_a_broken_promise_is_named(changed: dict[str, Any], problem: str) -> None:
    assert judge(Promise(), figures(**changed)) == [problem]


def test_the_title_of_a_digest_s_item_has_its_number(db: None) -> None:
    kind = kinds.get(producer.KIND)
    words = wording.of_file(kind.name, "en")
    shown = rendering.in_app(kind, kind.validate(digests.item("D-000007")), "/", words)
    assert "D-000007" in shown.title


def test_an_item_that_no_digest_has_or_that_two_have_is_a_problem() -> None:
    assert digests.find_problems({"D-1", "D-2"}, Counter({"D-1": 1, "D-2": 1})) == []
    found = digests.find_problems({"D-1", "D-2"}, Counter({"D-1": 2}))
    assert found == ["1 items of digests lost", "1 items in two messages"]


def test_messages_about_settled_matters_must_add_up_and_show_something() -> None:
    assert stale.find_problems(9, arrived=4, skipped=5) == []
    assert stale.find_problems(9, arrived=4, skipped=4)
    assert stale.find_problems(9, arrived=9, skipped=0)


def test_a_quick_run_may_drain_late_but_must_drain() -> None:
    assert judge(Promise(), figures(drain_s=60.1), timed=False) == []
    assert judge(Promise(), figures(drain_s=None), timed=False) != []


def test_each_duplicate_needs_a_call_in_flight_and_a_resend() -> None:
    promise = Promise(may_duplicate=True)
    assert judge(promise, figures(duplicates=4, in_flight=4)) == []
    assert judge(promise, figures(duplicates=5, in_flight=4)) == ["5 duplicates, 4 allowed"]
    assert judge(promise, figures(duplicates=4, in_flight=4, unexplained=1)) == [
        "1 arrived twice without being unknown and resent"
    ]


def test_only_calls_that_were_in_flight_may_be_of_unknown_outcome() -> None:
    assert judge(Promise(), figures(unknown=2, in_flight=2)) == []
    assert judge(Promise(), figures(unknown=2, in_flight=1)) == ["2 of unknown outcome, 1 allowed"]


def test_a_process_may_leave_its_connections_and_one_group_in_doubt(settings: Any) -> None:
    settings.EMAIL_CONNECTIONS, settings.SMS_CONNECTIONS = 3, 5
    assert limits.most_in_doubt([Channel.EMAIL]) == 3 + GROUP
    assert limits.most_in_doubt([Channel.EMAIL, Channel.SMS]) == 5 + GROUP


def arrived_at(*seconds: float) -> list[dict[str, Any]]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [{"received_at": (start + timedelta(seconds=each)).isoformat()} for each in seconds]


def test_the_busiest_second_is_found_wherever_it_begins() -> None:
    assert limits.busiest_second(arrived_at(0.0, 0.9, 1.1, 1.8, 1.85, 1.9, 3.0)) == 4


def test_a_pause_is_a_problem_unless_it_is_before_a_broken_call() -> None:
    assert limits.check_pauses(arrived_at(0, 1, 60), broken=1)[1] == []
    assert limits.check_pauses(arrived_at(0, 11, 12), broken=1)[1] == [
        "nothing arrived for 11.0 s, 10 allowed"
    ]


@pytest.mark.services
def test_a_watch_counts_the_processes_that_hold_a_place() -> None:
    pool = Pool(Channel.EMAIL, is_urgent=False)
    client = redis_client.shared()
    held = [Place(pool, str(number)) for number in range(pool.size)]
    with limits.PlaceWatch(client.connection_pool.connection_kwargs["port"]) as watch:
        assert all(place.hold() for place in held)
        wait_until(lambda: watch.most[pool] == pool.size, "they are counted")
        client.zadd(pool.keys[0], {"one too many": time.time() * 1000 + 60_000})
        wait_until(watch.problems, "it is reported")
    assert watch.problems() == [
        f"{pool.size + 1} processes held one of the {pool.size} places of email"
    ]


def test_urgent_messages_need_both_channels_and_high_ones_either() -> None:
    notifications = [
        planned("C-000001"),
        planned("C-000002", Priority.HIGH),
        planned("C-000003", Priority.HIGH),
    ]
    arrived = Counter({("C-000001", "email"): 1, ("C-000002", "sms"): 1, ("C-000003", "email"): 1})
    assert arrivals.missing(notifications, arrived) == {("C-000001", "sms")}


def test_duplicates_are_counted_by_job_number_and_channel() -> None:
    arrived = Counter({("C-000001", "email"): 3, ("C-000001", "sms"): 1, ("C-000009", "email"): 2})
    assert arrivals.duplicates([planned("C-000001")], arrived) == {("C-000001", "email"): 2}


def test_a_message_on_a_channel_that_was_not_asked_for_is_unexpected() -> None:
    notifications = [planned("C-000001", Priority.MEDIUM), planned("C-000002", Priority.HIGH)]
    arrived = Counter({("C-000001", "email"): 1, ("C-000001", "sms"): 1, ("C-000002", "email"): 1})
    assert arrivals.unexpected(notifications, arrived) == {("C-000001", "sms")}


def test_arrivals_are_counted_once_by_the_job_number_that_they_show() -> None:
    messages = [
        {"seq": 1, "kind": "email", "subject": "Approved: C-000001, Redwood unit 417"},
        {"seq": 2, "kind": "sms", "body": "RS Systems: C-000001 is approved."},
        {"seq": 3, "kind": "email", "subject": "Something else"},
    ]
    sandbox: Any = SimpleNamespace(
        messages=lambda since: [each for each in messages if each["seq"] > since]
    )
    arrived = Arrivals(sandbox)
    arrived.read()
    assert arrived.read() == {("C-000001", "email"): 1, ("C-000001", "sms"): 1}


def test_an_event_that_the_webhook_has_already_is_not_refused() -> None:
    events = [{"status": status} for status in (200, 409, 403, None)]
    sandbox: Any = SimpleNamespace(messages=lambda kind: [{"events": events}])
    assert arrivals.count_refused_events(sandbox) == 2


@pytest.fixture
def called() -> tuple[PlannedNotification, Delivery]:
    """Return a notification whose delivery a worker has claimed and called the provider for."""
    [person] = producer.make_people(1)
    notification = PlannedNotification("C-000001", person, Priority.MEDIUM, at_s=0, held=False)
    NotificationService().notify(
        producer.KIND,
        person,
        producer.context(notification.job_number),
        priority=notification.priority,
        dedup_key=notification.job_number,
    )
    delivery = Delivery.objects.get()
    Delivery.objects.move(DeliveryState.SENDING, attempts=1)
    delivery.refresh_from_db()
    transitions.record(delivery, LogEvent.CALLING)
    return notification, delivery


@pytest.mark.django_db
def test_one_resend_of_an_unknown_outcome_explains_one_duplicate(
    called: tuple[PlannedNotification, Delivery],
) -> None:
    notification, delivery = called
    key = (notification.job_number, Channel.EMAIL.value)
    assert delivery_log.unexplained({key: 1}, delivery_log.read_doubts([notification])) == [key]
    outcomes.record_outcome(delivery, AmbiguousError("no answer"))
    assert delivery_log.read_doubts([notification])[key].was_unknown
    assert delivery_log.unexplained({key: 1}, delivery_log.read_doubts([notification])) == [key]
    outcomes.settle_unknown(delivery)
    assert delivery_log.unexplained({key: 1}, delivery_log.read_doubts([notification])) == []
    assert delivery_log.unexplained({key: 2}, delivery_log.read_doubts([notification])) == [key]


@pytest.mark.django_db
def test_a_lease_that_expires_before_the_call_leaves_nothing_unknown(
    called: tuple[PlannedNotification, Delivery],
) -> None:
    notification, delivery = called
    delivery.attempts = 2
    transitions.record(delivery, LogEvent.LOST_BEFORE_CALL)
    doubts = delivery_log.read_doubts([notification])
    assert not doubts[notification.job_number, Channel.EMAIL.value].was_unknown


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Service]:
    program = "import subprocess; print('up', flush=True); subprocess.run(['sleep', '600'])"
    command = [sys.executable, "-c", program]
    service = Service("sleeper", command, dict(os.environ), tmp_path, ready_text="up")
    with supervised([service]):
        service.start()
        wait_until(service.is_ready, "it is up")
        yield service


@pytest.mark.services
def test_a_killed_service_comes_back(sleeper: Service) -> None:
    sleeper.kill()
    assert not sleeper.is_ready()
    wait_until(sleeper.is_ready, "it is up again")


@pytest.mark.services
def test_a_service_that_must_stay_down_does(sleeper: Service) -> None:
    sleeper.kill(stay_down=True)
    sleeper.supervise()
    assert sleeper.is_gone()
    sleeper.start()
    wait_until(sleeper.is_ready, "it is up again")


@pytest.mark.services
def test_a_terminated_service_is_not_started_again(sleeper: Service) -> None:
    sleeper.terminate()
    wait_until(sleeper.is_gone, "it has ended")
    sleeper.supervise()
    assert sleeper.is_gone()


@pytest.mark.services
def test_a_forwarder_moves_new_connections_and_keeps_open_ones() -> None:
    with ExitStack() as running:
        first, second = (running.enter_context(_greeter(name)) for name in (b"first", b"second"))
        [port] = free_ports(1)
        forwarder = running.enter_context(running_forwarder(port, first))
        old = running.enter_context(socket.create_connection((LOOPBACK, port)))
        assert _ask(old) == b"first"
        forwarder.target_port = second
        new = running.enter_context(socket.create_connection((LOOPBACK, port)))
        assert (_ask(new), _ask(old)) == (b"second", b"first")


@contextmanager
def _greeter(name: bytes) -> Iterator[int]:
    """Serve, answering each line with its name; yield the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline():
                self.wfile.write(name + b"\n")

    server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    with serving(server):
        yield server.server_address[1]


def _ask(connection: socket.socket) -> bytes:
    connection.sendall(b"who\n")
    return connection.makefile("rb").readline().strip()


def test_an_event_that_is_received_too_often_becomes_a_dead_letter() -> None:
    source = EventSource("http://127.0.0.1:9", "http://127.0.0.1:9/webhook")
    source.enqueue("kept", "{}")
    source.enqueue("deleted", "{}")
    _, deleted = source.answer("ReceiveMessage", {})["Messages"]
    source.answer("DeleteMessage", {"ReceiptHandle": deleted["ReceiptHandle"]})
    for _ in range(MOST_RECEIVES - 1):
        source.end_visibility_timeouts()
        assert source.unread() == ["kept"]
        source.answer("ReceiveMessage", {})
    source.end_visibility_timeouts()
    assert (source.unread(), source.undeleted(), source.dead_letters) == ([], [], ["kept"])


@pytest.mark.parametrize("name", ["garbage", "version6", "unknownkey"])
def test_only_the_good_certificate_of_an_event_source_is_readable(name: str) -> None:
    certificates = EventSource("http://127.0.0.1:9", "http://127.0.0.1:9/webhook").certificates
    x509.load_pem_x509_certificate(certificates[certificate_path("good")]).public_key()
    with pytest.raises((ValueError, x509.InvalidVersion, UnsupportedAlgorithm)):
        x509.load_pem_x509_certificate(certificates[certificate_path(name)]).public_key()


def test_the_quick_scenarios_can_share_a_rig() -> None:
    for name in QUICK:
        assert replace(SCENARIOS[name].rig, events=False) == RigPlan()


@pytest.mark.django_db
def test_alarms_are_counted_by_what_the_administrator_was_mailed() -> None:
    now = timezone.now()
    for name in ("sms-stopped", "sms-spend"):
        Alarm.objects.create(name=name, seen_at=now, started_at=now, value=1, sentence="Bad.")
    Alarm.objects.create(name="urgent-waits", seen_at=now, value=1, sentence="Not yet.")
    with patch.object(admin_messages, "send_email", side_effect=lambda news: True) as sent:
        telling.tell()
        Alarm.objects.filter(name="sms-stopped").update(ended_at=now)
        telling.tell()
    mails = [call.args[0].text for call in sent.call_args_list]
    told = alarms.count_mailed(["sms-spend", "sms-stopped"], mails)
    assert told == {"sms-spend": alarms.Told(1, 1, 0), "sms-stopped": alarms.Told(1, 1, 1)}
    expected = alarms.Alarms(over=("sms-stopped",), ringing=("sms-spend",))
    assert alarms.find_problems(expected, told) == []
    again = alarms.count_mailed(["sms-spend", "sms-stopped"], [*mails, mails[0]])
    assert len(alarms.find_problems(expected, again)) == 2
    assert len(alarms.find_problems(alarms.Alarms(), told)) == 2
    assert len(alarms.find_problems(expected, {})) == 2
    untold = {**told, "sms-stopped": alarms.Told(1, 0, 1)}
    assert len(alarms.find_problems(expected, untold)) == 1
    assert alarms.find_problems(replace(expected, unmailed=("sms-stopped",)), untold) == []


@pytest.mark.django_db
def test_texts_are_waited_for_if_the_phone_on_call_is_told_too() -> None:
    now = timezone.now()
    Alarm.objects.create(
        name="email-stopped", seen_at=now, started_at=now, ended_at=now, value=1, end_mailed_at=now
    )
    by_mail = alarms.Alarms(over=("email-stopped",))
    by_text = replace(by_mail, by_text=True)
    assert alarms.is_told(by_mail)
    assert not alarms.is_told(by_text)
    assert not alarms.is_told(replace(by_mail, ringing=("sms-spend",)))
    Alarm.objects.update(end_texted_at=now)
    assert alarms.is_told(by_text)


def test_the_phone_on_call_must_be_told_once_of_each() -> None:
    expected = alarms.Alarms(over=("email-stopped",), by_text=True)
    title = BY_NAME["email-stopped"].title
    start, end = f"RS Systems: {title}. Refused.", f"RS Systems: over: {title}."
    assert alarms.find_text_problems(expected, [start, end]) == []
    for wrong in ([start], [end], [start, start, end], [f"RS Systems: {title}; over: {title}"] * 2):
        assert len(alarms.find_text_problems(expected, wrong)) == 1
