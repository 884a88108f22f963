"""The event queue, on moto's SQS, below a real boto3 client."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from moto import mock_aws

from apps.core import tasks
from apps.core.feedback import event_queue, provider_events, sns_envelope
from apps.core.guards import reputation, suppressions
from apps.core.models import (
    Contact,
    Delivery,
    NotificationDeliveryLog,
    ProviderEvent,
    SetAside,
    Suppression,
)
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import sqs
from apps.core.states import Channel, DeliveryState, EventKind, LogEvent, Priority, Via
from tests.support.attempts import attempt
from tests.support.ses_events import BOUNCE, COMPLAINT, DELIVERY, JANE, mail
from tests.support.signing import Signer

pytestmark = pytest.mark.usefixtures("fetched")

Make = Callable[..., Delivery]


class Queue:
    def __init__(self) -> None:
        self._client: Any = boto3.client("sqs")
        self.url = self._client.create_queue(QueueName="events")["QueueUrl"]

    def put(self, body: str) -> None:
        self._client.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))


@pytest.fixture
def queued(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Yield a queue of the test's own."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(sqs, "_RECEIVE", {**sqs._RECEIVE, "WaitTimeSeconds": 0})
    sqs._reader.cache_clear()
    with mock_aws():
        there = Queue()
        settings.AWS_SES_EVENT_QUEUE_URL = there.url
        yield there
    sqs._reader.cache_clear()


def event(row: Delivery, name: str, key: str, said: dict[str, Any]) -> str:
    tags = {"delivery": [str(row.pk)], "attempt": ["1"]}
    return json.dumps(
        {"eventType": name, "mail": mail(messageId=f"ses-{row.pk}", tags=tags), key: said}
    )


def state(row: Delivery) -> str:
    return Delivery.objects.get(pk=row.pk).state


def test_messages_of_any_age_are_applied_and_deleted(
    delivery: Make, signer: Signer, queued: Queue
) -> None:
    rows = [delivery() for _ in range(12)]
    for row in rows:
        attempt(row.pk)
        text = event(row, "Delivery", "delivery", DELIVERY | {"timestamp": "2026-11-25T10:00:01Z"})
        queued.put(signer.notification(text, age=timedelta(days=3)))
    tasks.read_event_queue()
    assert {state(row) for row in rows} == {DeliveryState.DELIVERED}
    assert queued.left() == 0


def test_a_message_is_deleted_only_once_it_is_committed(
    delivery: Make, signer: Signer, queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    row = delivery()
    attempt(row.pk)
    queued.put(signer.notification(event(row, "Delivery", "delivery", DELIVERY)))

    def broken(_: Any) -> None:
        raise OperationalError("the database went away")

    monkeypatch.setattr(provider_events, "_apply", broken)
    with pytest.raises(OperationalError):
        tasks.read_event_queue()
    assert queued.left() == 1


def test_a_message_that_cannot_be_stored_is_set_aside(
    delivery: Make, signer: Signer, queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DataError

    rows = [delivery() for _ in range(2)]
    for row in rows:
        attempt(row.pk)
        queued.put(signer.notification(event(row, "Delivery", "delivery", DELIVERY)))
    apply = provider_events._apply

    def sometimes(event: ProviderEvent) -> Delivery | None:
        if event.delivery_ref == rows[0].pk:
            raise DataError("poison")
        return apply(event)

    monkeypatch.setattr(provider_events, "_apply", sometimes)
    tasks.read_event_queue()
    assert state(rows[1]) == DeliveryState.DELIVERED
    assert queued.left() == 0
    assert str(rows[0].pk) in SetAside.objects.get().text


def test_an_unexpected_error_of_one_message_stops_no_other(
    delivery: Make, signer: Signer, queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import IntegrityError

    rows = [delivery() for _ in range(2)]
    for row in rows:
        attempt(row.pk)
        queued.put(signer.notification(event(row, "Delivery", "delivery", DELIVERY)))
    apply = provider_events._apply

    def sometimes(event: ProviderEvent) -> Delivery | None:
        if event.delivery_ref == rows[0].pk:
            raise IntegrityError("its row is gone")
        return apply(event)

    monkeypatch.setattr(provider_events, "_apply", sometimes)
    tasks.read_event_queue()
    assert state(rows[1]) == DeliveryState.DELIVERED
    assert queued.left() == 1, "the queue keeps the other one for a further try"


POISON = [
    '{"mail": ' + "[" * 50_000,
    '{"eventType": "Send", "mail": {}}',
    json.dumps({"eventType": "Send", "mail": mail(timestamp="9999-12-31T23:59:59-05:00")}),
]


@pytest.mark.parametrize("poison", POISON)
def test_a_message_that_cannot_be_read_stops_no_other(
    poison: str, delivery: Make, signer: Signer, queued: Queue, caplog: Any
) -> None:
    row = delivery()
    attempt(row.pk)
    for text in (poison, event(row, "Delivery", "delivery", DELIVERY), poison):
        queued.put(signer.notification(text))
    tasks.read_event_queue()
    assert state(row) == DeliveryState.DELIVERED
    assert queued.left() == 0
    assert SetAside.objects.get().text == poison
    assert caplog.text.count("message set aside") == 1


def test_a_bounce_with_half_an_emoji_is_stored(
    delivery: Make, signer: Signer, queued: Queue
) -> None:
    row = delivery()
    attempt(row.pk)
    text = event(row, "Bounce", "bounce", BOUNCE).replace("user unknown", "user \\ud83d unknown")
    queued.put(signer.notification(text))
    tasks.read_event_queue()
    assert state(row) == DeliveryState.BOUNCED
    assert "user \ufffd unknown" in ProviderEvent.objects.get().detail


def test_a_message_whose_certificate_cannot_be_read_stops_no_other(
    delivery: Make, signer: Signer, queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ffff.pem"
    fetch = sns_envelope._fetch
    monkeypatch.setattr(
        sns_envelope, "_fetch", lambda url: b"garbage" if url == other else fetch(url)
    )
    row = delivery()
    attempt(row.pk)
    queued.put(signer.notification("no event", SigningCertURL=other))
    queued.put(signer.notification(event(row, "Delivery", "delivery", DELIVERY)))
    tasks.read_event_queue()
    assert state(row) == DeliveryState.DELIVERED
    assert queued.left() == 1


def test_without_a_database_no_message_is_received(
    queued: Queue, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError, connection

    def away() -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(sqs, "receive", None)
    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", away)
        with pytest.raises(OperationalError):
            tasks.read_event_queue()


def test_a_message_that_the_webhook_had_is_deleted_and_applied_once(
    delivery: Make, signer: Signer, queued: Queue, post: Callable[..., Any]
) -> None:
    row = delivery()
    attempt(row.pk)
    body = signer.notification(event(row, "Delivery", "delivery", DELIVERY))
    assert post(body).status_code == 200
    queued.put(body)
    tasks.read_event_queue()
    assert queued.left() == 0
    assert ProviderEvent.objects.get().via == Via.WEBHOOK
    queued.put(signer.notification(event(row, "Bounce", "bounce", BOUNCE)))
    tasks.read_event_queue()
    assert ProviderEvent.objects.get(kind=EventKind.BOUNCED).via == Via.QUEUE


def test_an_untrusted_or_unchecked_message_stays_for_the_dead_letters(
    signer: Signer, queued: Queue, db: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    queued.put("hello")
    queued.put(signer.notification("x", TopicArn="arn:aws:sns:us-east-1:999999999999:theirs"))
    tasks.read_event_queue()

    def unreachable(_: str) -> bytes:
        raise OSError("no route to host")

    monkeypatch.setattr(sns_envelope, "_fetch", unreachable)
    for _ in range(20):
        queued.put(signer.notification("x"))
    tasks.read_event_queue()
    assert queued.left() == 22
    assert caplog.text.count("message of the event queue refused") == 2
    assert caplog.text.count("event queue not read on, the next run tries again") == 1
    assert not ProviderEvent.objects.exists()


def test_a_run_ends_although_the_queue_has_more(
    signer: Signer, queued: Queue, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "RUN_S", -1.0)
    for _ in range(3):
        queued.put(signer.notification("no event"))
    tasks.read_event_queue()
    assert queued.left() == 2


def test_a_bounce_wakes_a_worker_for_the_stand_in(
    delivery: Make, signer: Signer, queued: Queue, woken: list[Any]
) -> None:
    row = delivery(Channel.SMS, Priority.HIGH)
    attempt(row.pk)
    queued.put(signer.notification(event(row, "Bounce", "bounce", BOUNCE)))
    tasks.read_event_queue()
    assert [name for name, _ in woken] == ["apps.core.tasks.send_notification_email"]


def test_a_missing_queue_is_logged_and_tried_again(
    queued: Queue, settings: Any, db: None, caplog: Any
) -> None:
    settings.AWS_SES_EVENT_QUEUE_URL += "-gone"
    tasks.read_event_queue()
    assert "event queue not read on, the next run tries again" in caplog.text


def test_without_a_queue_none_is_read(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AWS_SES_EVENT_QUEUE_URL = ""
    monkeypatch.setattr(sqs, "receive", None)
    tasks.read_event_queue()


def test_out_of_office_replies_leave_deliveries_delivered_and_silence_no_one(
    delivery: Make, signer: Signer, queued: Queue
) -> None:
    reply = {**BOUNCE, "bounceType": "Transient", "bouncedRecipients": [{"emailAddress": JANE}]}
    rows = [delivery() for _ in range(4)]
    for number, row in enumerate(rows):
        attempt(row.pk)
        queued.put(signer.notification(event(row, "Delivery", "delivery", DELIVERY)))
        said = {**reply, "feedbackId": f"reply-{number}"}
        queued.put(signer.notification(event(row, "Bounce", "bounce", said)))
    tasks.read_event_queue()
    assert {state(row) for row in rows} == {DeliveryState.DELIVERED}
    assert not Suppression.objects.exists()
    entries = NotificationDeliveryLog.objects.filter(event=LogEvent.REPLIED)
    assert {entry.delivery_id for entry in entries} == {row.pk for row in rows}


def test_a_complaint_that_ses_s_own_list_answers_undoes_nothing(
    delivery: Make, signer: Signer, queued: Queue, person: Callable[..., User]
) -> None:
    jane = person(email=JANE, verified_email=JANE)
    suppressions.suppress(Channel.EMAIL, JANE, SuppressionReason.BOUNCE)
    suppressions.lift(Suppression.objects.get(), "sam")
    Suppression.objects.update(unlist=True)
    row = delivery(recipient=jane)
    attempt(row.pk)
    listed = {**COMPLAINT, "complaintSubType": "OnAccountSuppressionList", "timestamp": None}
    text = event(row, "Complaint", "complaint", {**listed, "feedbackId": "listed"})
    soon = (timezone.now() + timedelta(seconds=1)).isoformat()
    queued.put(signer.notification(text.replace("2026-11-25T10:00:00.000Z", soon)))
    tasks.read_event_queue()
    assert state(row) == DeliveryState.BOUNCED
    assert not Suppression.objects.in_force().exists(), "the lift stands"
    assert Contact.objects.get(user=jane).wants_email, "so does the consent"
    assert reputation.measure().complained == reputation.measure().bounced == 0


@pytest.mark.parametrize("host", ["queue.amazonaws.com", "us-east-1.queue.amazonaws.com"])
def test_a_queue_url_of_an_older_form_is_read(
    signer: Signer, queued: Queue, settings: Any, db: None, monkeypatch: Any, host: str
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    settings.AWS_SES_EVENT_QUEUE_URL = f"https://{host}/123456789012/events"
    queued.put(signer.notification("no event"))
    tasks.read_event_queue()
    assert queued.left() == 0
