"""Text messages to the sandbox, and what its CloudWatch Logs say of them: real boto3 clients."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DataError
from django.utils import timezone

from apps.core import providers, tasks
from apps.core.audit.ledger import ledger
from apps.core.feedback import provider_events, sms_receipts
from apps.core.guards import sms_budget
from apps.core.models import Delivery, Mark, ProviderEvent, SetAside, SMSSpend, Suppression
from apps.core.providers import delivery_logs
from apps.core.states import Channel, DeliveryState, EventCause, EventKind, Priority, Via
from sandbox.testing import RunningSandbox
from tests.support.attempts import attempt
from tools.processes import wait_until

GROUP = "sns/us-east-1/000000000000/DirectPublishToPhoneNumber"
Make = Callable[..., Delivery]


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    settings.SMS_BACKEND = "apps.core.providers.sns.SNS"
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    for service in ("SNS", "CLOUDWATCH_LOGS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", running.aws_url)
    providers.forget()
    yield running
    running.clear_rules()


@pytest.fixture
def texted(delivery: Make, person: Callable[..., User]) -> Callable[..., Delivery]:
    """Return a text of this priority that the sandbox took."""

    def call(priority: Priority = Priority.URGENT, **values: Any) -> Delivery:
        row = delivery(Channel.SMS, priority, **values)
        attempt(row.pk)
        return row

    return call


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def is_settled(row: Delivery, state: DeliveryState = DeliveryState.DELIVERED) -> bool:
    """Read until the log says so: SNS writes it some time after the call."""

    def is_there() -> bool:
        tasks.read_sms_receipts()
        return fresh(row).state == state

    wait_until(is_there, f"the receipt says {state}")
    return True


def committed() -> Decimal:
    return SMSSpend.objects.get().committed_usd


def test_a_text_that_its_carrier_accepted_is_delivered(
    sandbox: RunningSandbox, texted: Callable[..., Delivery]
) -> None:
    row = texted(Priority.HIGH)
    assert is_settled(row)
    line = row.log.last()
    assert line
    assert (line.event, line.detail) == (
        "delivered",
        "Message has been accepted by phone carrier",
    )
    event = ProviderEvent.objects.get(delivery=row)
    assert (event.parts, event.price_usd, event.code) == (1, Decimal("0.00645"), "Sandbox")
    assert event.via == Via.LOG
    assert ledger().discrepancies == []


def test_a_receipt_is_applied_once(
    sandbox: RunningSandbox, texted: Callable[..., Delivery]
) -> None:
    row = texted()
    assert is_settled(row)
    assert sms_receipts.read() == []
    assert [line.event for line in row.log.all()] == ["calling", "accepted", "delivered"]
    assert Mark.objects.get(name=GROUP).at <= datetime.now(UTC)


def test_the_charged_price_replaces_the_reserved_one(
    sandbox: RunningSandbox, texted: Callable[..., Delivery], settings: Any
) -> None:
    settings.SMS_PRICES_USD = {"US": Decimal("0.02")}
    row = texted()
    assert committed() == Decimal("0.02")
    assert is_settled(row)
    assert committed() == fresh(row).cost_usd == Decimal("0.00645")


def test_money_of_another_attempt_is_left_alone(db: None, delivery: Make) -> None:
    row = delivery(Channel.SMS)
    sms_budget.settle(row, Decimal("0.01"))
    assert not SMSSpend.objects.exists()


def test_an_email_stands_in_for_a_text_that_did_not_reach_its_phone(
    sandbox: RunningSandbox, texted: Callable[..., Delivery], woken: list[Any]
) -> None:
    sandbox.rule(channel="sms", events={"outcome": "bounce"})
    row = texted(Priority.HIGH)
    assert is_settled(row, DeliveryState.BOUNCED)
    assert fresh(row).reason == "Phone is currently unreachable/unavailable"
    assert [name for name, _ in woken] == ["apps.core.tasks.send_notification_email"]
    assert not Suppression.objects.exists(), "the phone may be on tomorrow"


def test_an_opted_out_number_is_suppressed(
    sandbox: RunningSandbox, texted: Callable[..., Delivery], person: Callable[..., User]
) -> None:
    number = "+12025559999"
    stopped = person(phone=number, verified_phone=number)
    sandbox.rule(channel="sms", to=stopped.contact.phone, events={"outcome": "opt_out"})
    texted(recipient=stopped)
    sandbox.clear_rules()
    assert is_settled(texted(recipient=stopped), DeliveryState.BOUNCED)
    suppression = Suppression.objects.get()
    assert (suppression.address, suppression.reason) == (stopped.contact.phone, "opt_out")
    last = texted(recipient=stopped)
    assert fresh(last).reason == "address is suppressed: its owner answered STOP"


def test_a_receipt_that_came_before_the_answer_is_matched_later(
    sandbox: RunningSandbox, texted: Callable[..., Delivery]
) -> None:
    row = texted()
    message_id = fresh(row).provider_message_id
    Delivery.objects.update(provider_message_id="")
    wait_until(
        lambda: sms_receipts.read() or ProviderEvent.objects.filter(provider_message_id=message_id),
        "the receipt is there",
    )
    assert fresh(row).state == DeliveryState.ACCEPTED
    Delivery.objects.update(provider_message_id=message_id)
    provider_events.match_waiting()
    assert fresh(row).state == DeliveryState.DELIVERED


def test_a_missing_log_group_is_silent_and_a_refusal_is_tried_again(
    sandbox: RunningSandbox, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = "sns/us-east-1/1/nowhere"
    tasks.read_sms_receipts()
    assert caplog.text == ""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    tasks.read_sms_receipts()
    assert "SMS receipts not read, the next run tries again" in caplog.text


def test_without_a_log_group_none_is_read(db: None, settings: Any) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = ""
    tasks.read_sms_receipts()
    assert not Mark.objects.exists()


def document(answer: str, status: str = "FAILURE", **delivery: Any) -> str:
    return json.dumps(
        {
            "notification": {"messageId": "m-1", "timestamp": "2026-11-25 00:40:34.559"},
            "delivery": {
                "destination": "+12025550123",
                "priceInUSD": 0.01,
                "smsType": "Transactional",
                "providerResponse": answer,
                "dwellTimeMs": 599,
                **delivery,
            },
            "status": status,
        }
    )


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("Phone number is opted out", EventCause.OPTED_OUT),
        ("Invalid phone number", EventCause.ADDRESS),
        ("Destination is on a blocked list", EventCause.ADDRESS),
        ("Phone is on a blocked list", EventCause.ADDRESS),
        ("Phone has blocked SMS", EventCause.ADDRESS),
        ("Blocked as spam by phone carrier", EventCause.TEMPORARY),
        ("Message body is invalid", EventCause.TEMPORARY),
        ("Phone carrier has blocked this message", EventCause.TEMPORARY),
        ("Phone carrier is currently unreachable/unavailable", EventCause.TEMPORARY),
        ("Phone is currently unreachable/unavailable", EventCause.TEMPORARY),
        ("This delivery would exceed max price", EventCause.TEMPORARY),
        ("Unknown error attempting to reach phone", EventCause.TEMPORARY),
        ("No quota left for account", EventCause.TEMPORARY),
    ],
)
def test_each_answer_that_sns_documents_is_a_bounce_for_good_or_for_now(
    answer: str, cause: EventCause
) -> None:
    event = sms_receipts.parse(document(answer))
    assert (event.kind, event.cause, event.detail) == (EventKind.BOUNCED, cause, answer)
    assert event.occurred_at == datetime(2026, 11, 25, 0, 40, 34, 559_000, tzinfo=UTC)


def test_aws_s_own_spending_limit_is_logged_as_an_error(caplog: Any) -> None:
    sms_receipts.parse(document("No quota left for account"))
    assert "its own spending limit is reached" in caplog.text


def test_a_receipt_may_lack_price_and_parts() -> None:
    bare = json.loads(document("Message has been accepted by phone", "SUCCESS"))
    del bare["delivery"]["priceInUSD"]
    event = sms_receipts.parse(json.dumps(bare))
    assert (event.kind, event.price_usd, event.parts) == (EventKind.DELIVERED, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "START",
        document("x", priceInUSD="much"),
        document("x", providerResponse=None),
        document("x", numberOfMessageParts="x"),
        document("x", destination=""),
    ],
)
def test_a_malformed_receipt_is_set_aside_once(
    text: str, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    now = timezone.now()
    entries(monkeypatch, successes=[delivery_logs.Entry(now, text), line(2, now)])
    sms_receipts.read()
    sms_receipts.read()
    row = SetAside.objects.get()
    assert (row.text, row.via) == (text, Via.LOG)
    assert "not understood" in row.problem
    assert caplog.text.count("message set aside") == 1
    assert ProviderEvent.objects.get().provider_message_id == "m-2"


def test_a_receipt_with_half_an_emoji_is_read() -> None:
    assert sms_receipts.parse(document("Phone \ud83d is off")).detail == "Phone \ufffd is off"


@pytest.mark.parametrize("field", ["phoneCarrier", "numberOfMessageParts", "priceInUSD"])
def test_a_receipt_with_null_in_an_optional_field_is_read(field: str) -> None:
    event = sms_receipts.parse(
        document("Message has been accepted by phone", "SUCCESS", **{field: None})
    )
    assert event.recipient == "+12025550123"


@pytest.mark.parametrize("time", ["9999-12-31 23:59:59-05:00", "0001-01-01 00:00:00+05:00"])
def test_a_receipt_from_the_end_of_the_calendar_is_refused(time: str) -> None:
    text = document("Phone has blocked SMS").replace("2026-11-25 00:40:34.559", time)
    with pytest.raises(ValueError, match="time"):
        sms_receipts.parse(text)


def entries(monkeypatch: pytest.MonkeyPatch, **groups: list[delivery_logs.Entry]) -> list[Any]:
    """Log groups that hold these; gives the times from which they are asked."""
    asked: list[Any] = []

    def read(group: str, since: datetime) -> Iterator[list[delivery_logs.Entry]]:
        asked.append(since)
        there = groups.get("failures" if group.endswith("/Failure") else "successes", [])
        yield [entry for entry in there if entry.at >= since]

    monkeypatch.setattr(delivery_logs, "read", read)
    return asked


def line(number: int, at: datetime) -> delivery_logs.Entry:
    text = document("Message has been accepted by phone", "SUCCESS").replace("m-1", f"m-{number}")
    return delivery_logs.Entry(at, text)


def test_a_receipt_that_cannot_be_stored_stops_no_other(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    now = timezone.now()
    entries(monkeypatch, successes=[line(1, now), line(2, now)])
    receive = provider_events.receive

    def sometimes(events: list[ProviderEvent]) -> list[Delivery]:
        if events[0].provider_message_id == "m-1":
            raise DataError("poison")
        return receive(events)

    monkeypatch.setattr(provider_events, "receive", sometimes)
    sms_receipts.read()
    assert [each.provider_message_id for each in ProviderEvent.objects.all()] == ["m-2"]
    assert "m-1" in SetAside.objects.get().text


def test_a_run_that_ends_early_is_continued(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    monkeypatch.setattr(sms_receipts, "BATCH", 2)
    monkeypatch.setattr(sms_receipts, "RUN_S", -1)
    now = timezone.now()
    ages = [timedelta(hours=9 - n) for n in range(6)]
    asked = entries(monkeypatch, successes=[line(n, now - age) for n, age in enumerate(ages)])
    sms_receipts.read()
    assert ProviderEvent.objects.count() == 2
    sms_receipts.read()
    assert asked[2] == now - ages[1]


def test_runs_cut_inside_the_overlap_reach_the_newest_receipt(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    monkeypatch.setattr(sms_receipts, "BATCH", 5)
    now = timezone.now()
    there = [line(n, now - timedelta(minutes=31 - n)) for n in range(31)]
    entries(monkeypatch, successes=there[:30])
    sms_receipts.read()
    entries(monkeypatch, successes=there)
    monkeypatch.setattr(sms_receipts, "RUN_S", -1)
    marks = []
    for _ in range(8):
        sms_receipts.read()
        marks.append(Mark.objects.get(name=GROUP).at)
    assert ProviderEvent.objects.filter(provider_message_id="m-30").exists()
    assert marks == sorted(marks)
    assert marks[0] == there[29].at


def test_a_turn_ends_although_every_page_is_empty(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    monkeypatch.setattr(sms_receipts, "RUN_S", -1)
    monkeypatch.setattr(delivery_logs, "read", lambda group, since: iter(list, None))
    assert sms_receipts.read() == []


def test_a_late_receipt_is_still_read(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    now = timezone.now()
    ahead = line(1, now + timedelta(hours=1))
    asked = entries(monkeypatch, successes=[ahead])
    sms_receipts.read()
    sms_receipts.read()
    assert asked[2] < now - timedelta(minutes=29), "not from the future on"
