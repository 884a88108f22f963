"""The five metrics: what is counted, and that CloudWatch has it, by boto3's own protocol."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import redis
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from moto import mock_aws

from apps.core import tasks
from apps.core.audit import metrics
from apps.core.delivery import broker
from apps.core.exceptions import AmbiguousError, DeliveryError, TransientError
from apps.core.models import Delivery, Mark, NotificationDeliveryLog
from apps.core.providers import cloudwatch, memory
from apps.core.providers.cloudwatch import NAMESPACE, Metric
from apps.core.states import ENDS_OF_ATTEMPTS, DeliveryState, LogEvent
from sandbox.testing import RunningSandbox
from tests.support.attempts import attempt
from tests.support.services import Worker, wait_until

Make = Callable[..., Delivery]
NAMES = ["Heartbeat", "WorkersOnline", "QueueDepth", "AttemptsEnded", "AttemptsFailed"]


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", running.aws_url)
    settings.CLOUDWATCH_METRICS = True
    yield running
    running.reset_account()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two workers answer, without the second in which they are listened for."""
    monkeypatch.setattr(broker, "workers_online", lambda: 2)


def values() -> dict[str, float]:
    return {each.name: each.value for each in metrics.measure()}


def failed_of_ended() -> tuple[float, float]:
    found = values()
    return found["AttemptsFailed"], found["AttemptsEnded"]


def log(row: Delivery, event: LogEvent, number: int = 1, **fields: Any) -> None:
    NotificationDeliveryLog.objects.create(delivery=row, attempt=number, event=event, **fields)


def test_the_queue_depth_counts_what_is_due_without_a_worker(delivery: Make, alone: None) -> None:
    past, future = timezone.now() - timedelta(minutes=1), timezone.now() + timedelta(hours=1)
    delivery(next_attempt_at=past)
    delivery(next_attempt_at=past)
    delivery(next_attempt_at=past, state=DeliveryState.RETRYING)
    delivery(next_attempt_at=future)
    delivery(next_attempt_at=future, state=DeliveryState.RETRYING)
    delivery(next_attempt_at=past, state=DeliveryState.UNKNOWN)
    delivery(state=DeliveryState.SENDING, next_attempt_at=None)
    delivery(state=DeliveryState.ACCEPTED, next_attempt_at=None)
    assert values()["QueueDepth"] == 3


def test_a_failed_attempt_was_refused_or_not_answered(delivery: Make, alone: None) -> None:
    for event in (LogEvent.ACCEPTED, LogEvent.TRANSIENT, LogEvent.PERMANENT, LogEvent.AMBIGUOUS):
        row = delivery()
        log(row, LogEvent.CALLING)
        log(row, event)
    assert failed_of_ended() == (3, 4)


@pytest.mark.sqlite
def test_each_attempt_of_a_delivery_counts_once(delivery: Make, alone: None) -> None:
    row = delivery()
    log(row, LogEvent.TRANSIENT)
    log(row, LogEvent.AMBIGUOUS, 2)
    # The provider's report on the second.
    log(row, LogEvent.ACCEPTED, 2)
    log(row, LogEvent.DELIVERED, 2)
    log(row, LogEvent.ACCEPTED, 3)
    log(row, LogEvent.DELIVERED, 3)
    assert failed_of_ended() == (2, 3)


def test_other_log_entries_do_not_end_an_attempt(delivery: Make, alone: None) -> None:
    row = delivery()
    for event in set(LogEvent) - {*ENDS_OF_ATTEMPTS}:
        log(row, event)
    assert failed_of_ended() == (0, 0)


def test_an_attempt_counts_for_five_minutes(delivery: Make, alone: None) -> None:
    row = delivery()
    log(row, LogEvent.TRANSIENT, at=Now() - timedelta(minutes=6))
    assert failed_of_ended() == (0, 0)
    log(row, LogEvent.ACCEPTED, 2)
    assert failed_of_ended() == (0, 1)


@pytest.mark.parametrize("error", [TransientError("busy", code="451"), AmbiguousError("no answer")])
def test_real_attempts_are_counted(delivery: Make, alone: None, error: DeliveryError) -> None:
    attempt(delivery().pk)
    assert failed_of_ended() == (0, 1)
    memory.failures.append(error)
    attempt(delivery().pk)
    assert failed_of_ended() == (1, 2)


@pytest.mark.postgresql
def test_the_rate_is_counted_by_an_index(delivery: Make) -> None:
    row = delivery()
    past = timezone.now() - timedelta(days=1)
    lines = [
        NotificationDeliveryLog(delivery=row, attempt=n, event=LogEvent.ACCEPTED, at=past)
        for n in range(5000)
    ]
    NotificationDeliveryLog.objects.bulk_create(lines)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE core_notificationdeliverylog")
    ended = NotificationDeliveryLog.objects.filter(
        event__in=ENDS_OF_ATTEMPTS, at__gt=Now() - metrics.WINDOW
    )
    assert "delivery_log_calls" in ended.order_by().explain()


@pytest.mark.services
def test_a_worker_with_one_process_publishes_all_five_and_counts_itself(
    sandbox: RunningSandbox, worker: Callable[..., Worker], delivery: Make
) -> None:
    attempt(delivery().pk)
    worker(1, AWS_ENDPOINT_URL_CLOUDWATCH=sandbox.aws_url, CLOUDWATCH_METRICS="true")
    # CloudWatch is told whole seconds.
    began = datetime.now(UTC).replace(microsecond=0)
    tasks.publish_metrics.apply_async(priority=0, expires=55)

    def came() -> dict[str, Any]:
        return {
            each["name"]: each
            for each in sandbox.metrics()
            if datetime.fromisoformat(each["at"]) >= began
        }

    wait_until(lambda: len(came()) == 5, "all five have come")
    found = came()
    assert {name: (each["value"], each["unit"]) for name, each in found.items()} == {
        "Heartbeat": (1, "Count"),
        "WorkersOnline": (1, "Count"),
        "QueueDepth": (0, "Count"),
        "AttemptsEnded": (1, "Count"),
        "AttemptsFailed": (0, "Count"),
    }
    for each in found.values():
        assert each["namespace"] == NAMESPACE
        assert each["dimensions"] == {"Environment": "development"}
        assert datetime.fromisoformat(each["at"]) <= datetime.now(UTC)
    wait_until(metrics.last_published, "it is written down that they were")


@pytest.mark.services
def test_a_task_that_waited_too_long_is_not_run(
    sandbox: RunningSandbox, worker: Callable[..., Worker], redis_url: str
) -> None:
    running = worker(1, AWS_ENDPOINT_URL_CLOUDWATCH=sandbox.aws_url, CLOUDWATCH_METRICS="true")
    tasks.publish_metrics.apply_async(expires=datetime.now(UTC) - timedelta(seconds=1))
    wait_until(lambda: "Discarding revoked task" in running.output, "it was discarded")
    assert not Mark.objects.filter(name=metrics.MEASURED).exists()
    assert redis.Redis.from_url(redis_url).llen("notifications") == 0


def test_nothing_is_measured_if_it_is_switched_off(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLOUDWATCH_METRICS = False
    monkeypatch.setattr(metrics, "publish", None)
    tasks.publish_metrics()
    assert not Mark.objects.exists()


def test_the_heartbeat_is_stored_before_it_is_published(
    db: None, alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Metric] = []

    def publish(values: list[Metric], at: datetime) -> None:
        assert Mark.objects.filter(name=metrics.MEASURED).exists()
        told.extend(values)

    monkeypatch.setattr(cloudwatch, "publish", publish)
    metrics.publish()
    assert [each.name for each in told] == NAMES


def test_a_missing_permission_is_logged_once_an_hour(
    sandbox: RunningSandbox, db: None, alone: None, caplog: Any
) -> None:
    sandbox.account(denied=["cloudwatch:PutMetricData"])
    tasks.publish_metrics()
    tasks.publish_metrics()
    assert caplog.text.count("metrics not published") == 1
    assert "not allowed, needs cloudwatch:PutMetricData" in caplog.text
    assert metrics.last_published() is None
    Mark.objects.filter(name=metrics.REFUSED).update(at=timezone.now() - timedelta(hours=2))
    tasks.publish_metrics()
    assert caplog.text.count("metrics not published") == 2
    sandbox.reset_account()
    tasks.publish_metrics()
    assert metrics.last_published() is not None


@pytest.mark.parametrize("broken", ["endpoint", "credentials", "region"])
def test_a_cloudwatch_that_cannot_be_asked_is_one_warning(
    db: None,
    alone: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
    broken: str,
) -> None:
    settings.CLOUDWATCH_METRICS = True
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    if broken == "credentials":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if broken == "region":
        monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDWATCH")
        settings.AWS_SES_REGION_NAME = "not a region"
    tasks.publish_metrics()
    assert caplog.text.count("metrics not published") == 1


def test_moto_accepts_them_too(db: None, alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDWATCH")
    with mock_aws():
        metrics.publish()
        client: Any = boto3.client("cloudwatch", region_name="us-east-1")
        listed = client.list_metrics(Namespace=NAMESPACE)["Metrics"]
    assert {each["MetricName"] for each in listed} == set(NAMES)
    assert listed[0]["Dimensions"] == [{"Name": "Environment", "Value": "development"}]
