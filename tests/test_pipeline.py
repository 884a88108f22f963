"""From the caller's commit to the provider and back into the log: real Redis, real workers, and
the sandbox, which the production providers talk to."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from apps.core.delivery import wakeups
from apps.core.message import kinds
from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from sandbox.testing import RunningSandbox, running_sandbox

from .support.broker import try_broker_again
from .support.people import a_person
from .support.services import Redis, Worker, wait_until, wait_with_beat

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

StartWorker = Callable[..., Worker]


@pytest.fixture
def sandbox(running: RunningSandbox) -> RunningSandbox:
    return running


@pytest.fixture
def start(worker: StartWorker, sandbox: RunningSandbox) -> Callable[..., Worker]:
    """Starts a worker that sends to this test's sandbox."""
    return lambda **options: worker(
        AWS_SES_PORT=str(sandbox.smtp_port), AWS_ENDPOINT_URL_SNS=sandbox.aws_url, **options
    )


def person(number: int) -> User:
    return a_person(f"person{number}", f"+1202555{number:04d}")


def notify(recipients: Any, **options: Any) -> None:
    context = kinds.get("repair_approved").sample.model_dump()
    NotificationService().notify(
        "repair_approved", recipients, context, action_url="/repairs/1/", **options
    )


def settled(count: int) -> Callable[[], bool]:
    return lambda: Delivery.objects.filter(state=DeliveryState.ACCEPTED).count() == count


def tags(sandbox: RunningSandbox) -> Counter[str]:
    """Return how often each delivery's e-mail arrived."""
    found = sandbox.messages(kind="email", limit=1000)
    return Counter(message["tags"]["delivery"] for message in found)


def test_an_approval_goes_out_by_email_and_text(
    start: StartWorker, sandbox: RunningSandbox
) -> None:
    start()
    notify(person(1))
    wait_with_beat(settled(2), "both deliveries are accepted")
    (mail,) = sandbox.messages(kind="email")
    (text,) = sandbox.messages(kind="sms")
    rows = {row.channel: row for row in Delivery.objects.all()}
    assert mail["to"] == ["person1@fleet.example"]
    assert mail["configuration_set"] == "rs-systems-notifications"
    assert mail["tags"] == {"delivery": str(rows[Channel.EMAIL].pk), "attempt": "1"}
    assert (text["phone"], text["parts"]) == ("+12025550001", 1)
    assert (text["sms_type"], text["sender_id"]) == ("Transactional", "RSSystems")
    assert rows[Channel.EMAIL].provider_message_id == mail["id"]
    assert rows[Channel.SMS].provider_message_id == text["id"]
    for row in rows.values():
        assert list(row.log.values_list("event", flat=True)) == [
            LogEvent.CALLING,
            LogEvent.ACCEPTED,
        ]


@pytest.mark.sqlite
def test_200_notifications_in_open_transactions_are_200_messages(
    start: StartWorker, sandbox: RunningSandbox
) -> None:
    start(concurrency=2)
    people = [person(number) for number in range(200)]
    created = threading.Barrier(4, timeout=60)

    def create(share: list[User]) -> None:
        for one in share:
            with transaction.atomic():
                notify(one, priority=Priority.MEDIUM)
                # The row stays invisible for a while, which is when an eager task would miss it.
                threading.Event().wait(0.005)
        connection.close()
        created.wait()

    shares = [threading.Thread(target=create, args=(people[n::3],)) for n in range(3)]
    for thread in shares:
        thread.start()
    created.wait()
    wait_with_beat(settled(200), "all are accepted")
    assert set(tags(sandbox).values()) == {1}
    assert len(tags(sandbox)) == 200


def test_a_rolled_back_transaction_sends_nothing(
    start: StartWorker, sandbox: RunningSandbox
) -> None:
    start()
    one = person(1)
    with transaction.atomic():
        notify(one)
        transaction.set_rollback(True)
    notify(one, priority=Priority.MEDIUM)
    wait_with_beat(settled(1), "the one that was committed is accepted")
    assert sum(tags(sandbox).values()) == 1
    assert sandbox.messages(kind="sms") == []


def test_the_same_delivery_enqueued_twenty_times_is_sent_once(
    start: StartWorker, sandbox: RunningSandbox
) -> None:
    start(concurrency=4)
    notify(person(1), priority=Priority.MEDIUM)
    row = Delivery.objects.get()
    wakeups.wake([row] * 20)
    wait_with_beat(settled(1), "it is accepted")
    wait_until(lambda: _waiting_tasks() == 0, "the other tasks have run")
    assert tags(sandbox) == {str(row.pk): 1}


def test_a_fan_out_reaches_each_person_once(start: StartWorker, sandbox: RunningSandbox) -> None:
    start(concurrency=2)
    notify([person(number) for number in range(60)], priority=Priority.MEDIUM)
    wait_with_beat(settled(60), "all are accepted")
    assert len(tags(sandbox)) == 60
    assert set(tags(sandbox).values()) == {1}


def test_what_was_approved_while_redis_was_down_arrives_once(
    start: StartWorker, sandbox: RunningSandbox, redis_server: Redis
) -> None:
    redis_server.stop()
    notify(person(1))
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DUE}
    redis_server.start()
    start()
    _sweep()
    wait_with_beat(settled(2), "both deliveries are accepted")
    assert len(sandbox.messages()) == 2


def test_a_flushed_broker_loses_nothing(
    start: StartWorker, sandbox: RunningSandbox, redis_server: Redis
) -> None:
    import redis

    for number in range(20):
        notify(person(number), priority=Priority.MEDIUM)
    redis.Redis.from_url(redis_server.url).flushall()
    start()
    _sweep()
    wait_with_beat(settled(20), "all are accepted")
    assert set(tags(sandbox).values()) == {1}


def test_a_worker_killed_while_calling_leaves_the_delivery_unknown(
    worker: StartWorker, settings: Any
) -> None:
    with running_sandbox(latency=30) as slow:
        busy = worker(AWS_SES_PORT=str(slow.smtp_port), EMAIL_TIMEOUT="20")
        notify(person(1), priority=Priority.MEDIUM)
        wait_until(lambda: slow.messages(kind="email"), "the provider has the message")
        busy.kill()
        Delivery.objects.update(lease_until="2026-01-01T00:00Z")
        worker(AWS_SES_PORT=str(slow.smtp_port))
        _sweep()
        unknown = Delivery.objects.filter(state=DeliveryState.UNKNOWN)
        wait_with_beat(unknown.exists, "the sweep has found it")
        events = NotificationDeliveryLog.objects.values_list("event", flat=True)
        assert list(events) == [LogEvent.CALLING, LogEvent.LOST_AFTER_CALL]
        assert len(slow.messages(kind="email")) == 1


def _sweep() -> None:
    """What beat does every fifteen seconds."""
    try_broker_again()
    wakeups.wake_dispatch()


def _waiting_tasks() -> int:
    from apps.core.delivery import broker

    return sum(broker.waiting().values())
