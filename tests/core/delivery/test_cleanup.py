from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.core.audit.ledger import ledger
from apps.core.delivery import cleanup, transitions
from apps.core.delivery.transitions import record
from apps.core.models import (
    Delivery,
    Notification,
    NotificationDeliveryLog,
    ProviderEvent,
    SMSSpend,
    WordingVersion,
)
from apps.core.models.wording import WordingState
from apps.core.reasons import Reason
from apps.core.states import FINISHED, Channel, DeliveryState, LogEvent
from tests.support.log import rewritable_log

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "CHUNK", 2)


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


@pytest.fixture
def message(delivery: Make) -> Make:
    """Makes a delivery and its notification, both made some days ago; by default finished then."""

    def make(*, days: float, finished: float | None = None, **values: Any) -> Delivery:
        row = delivery(
            **{
                "state": DeliveryState.DELIVERED,
                "created_at": ago(days=days),
                "finished_at": ago(days=days if finished is None else finished),
                **values,
            }
        )
        record(row, LogEvent.CALLING)
        Notification.objects.filter(pk=row.notification_id).update(created_at=ago(days=days))
        return row

    return make


def event(name: str, received_at: Any, row: Delivery | None = None) -> None:
    made = ProviderEvent.objects.create(
        fingerprint=name, kind="bounced", provider="ses", occurred_at=received_at, delivery=row
    )
    ProviderEvent.objects.filter(pk=made.pk).update(received_at=received_at)


# --- The log ------------------------------------------------------------------------------------
def test_clean_up_takes_the_old_logs_of_finished_deliveries_only(
    delivery: Make, settings: Any
) -> None:
    settings.DELIVERY_LOG_RETENTION_DAYS = 30
    old = {s: delivery(state=s, finished_at=ago(days=31)) for s in sorted(FINISHED)}
    held = {"held_for": Reason.DIGEST, "release_at": ago(days=400)}
    open_rows = [
        delivery(state=s, created_at=ago(days=400), **held) for s in set(DeliveryState) - FINISHED
    ]
    young = delivery(state=DeliveryState.ACCEPTED, finished_at=ago(days=29))
    for row in [*old.values(), *open_rows, young]:
        record(row, LogEvent.CALLING)
    assert cleanup.clean_up()["entries"] == len(FINISHED)
    left = set(NotificationDeliveryLog.objects.values_list("delivery_id", flat=True))
    assert left == {row.pk for row in [*open_rows, young]}
    assert Delivery.objects.count() == len(old) + len(open_rows) + 1


def test_deliveries_that_finished_at_one_moment_lose_their_logs_in_chunks(
    delivery: Make, settings: Any
) -> None:
    at = ago(days=settings.DELIVERY_LOG_RETENTION_DAYS + 1)
    for _ in range(5):
        record(delivery(state=DeliveryState.SKIPPED, finished_at=at), LogEvent.SKIPPED)
    assert cleanup.clean_up()["entries"] == 5


def test_a_further_run_begins_where_the_last_one_ended(
    message: Make, settings: Any, django_assert_max_num_queries: Any
) -> None:
    for days in range(100, 110):
        message(days=days)
    assert cleanup.clean_up()["entries"] == 10
    # One chunk has the row at the mark; ten rows would be five chunks of three statements each.
    with django_assert_max_num_queries(19):
        assert cleanup.clean_up()["entries"] == 0
    message(days=settings.DELIVERY_LOG_RETENTION_DAYS + 0.1)
    assert cleanup.clean_up()["entries"] == 1


def test_events_outlive_a_short_retention_for_the_rule_of_soft_bounces(
    db: None, settings: Any
) -> None:
    settings.DELIVERY_LOG_RETENTION_DAYS = 7
    for days in (8, 31):
        event(str(days), ago(days=days))
    cleanup.clean_up()
    assert ProviderEvent.objects.get().fingerprint == "8"


def test_the_words_of_a_sample_go_after_their_last_message(message: Make, settings: Any) -> None:
    kept = {}
    for digest, days, state in (
        ("old", 400, WordingState.SAMPLE),
        ("used again", 3, WordingState.SAMPLE),
        ("of a message", 400, WordingState.SAMPLE),
        ("published", 400, WordingState.REPLACED),
    ):
        row = WordingVersion.objects.create(kind="x", language="en", number=0, state=state)
        WordingVersion.objects.filter(pk=row.pk).update(digest=digest, made_at=ago(days=days))
        kept[digest] = row.pk
    waits = message(days=400, state=DeliveryState.UNKNOWN, finished_at=None)
    Notification.objects.filter(pk=waits.notification_id).update(wording="of a message")
    assert cleanup.clean_up()["samples"] == 1
    del kept["old"]
    left = WordingVersion.objects.filter(kind="x")
    assert set(left.values_list("pk", flat=True)) == set(kept.values())


# --- Notifications ------------------------------------------------------------------------------
def test_an_old_notification_goes_with_its_deliveries_log_and_events(
    message: Make, settings: Any
) -> None:
    settings.NOTIFICATION_RETENTION_DAYS = 60
    for days in (61, 62, 63):
        event(f"late, of {days}", ago(days=1), message(days=days))
    young = message(days=59)
    event("of another", ago(days=1), young)
    assert cleanup.clean_up()["notifications"] == 3
    assert [row.pk for row in Notification.objects.all()] == [young.notification_id]
    assert [row.pk for row in Delivery.objects.all()] == [young.pk]
    assert [each.fingerprint for each in ProviderEvent.objects.all()] == ["of another"]
    assert {entry.delivery_id for entry in NotificationDeliveryLog.objects.all()} == {young.pk}


@pytest.mark.parametrize("state", sorted(set(DeliveryState) - FINISHED))
def test_a_notification_with_an_unfinished_delivery_stays_whole(
    message: Make, state: DeliveryState
) -> None:
    row = message(days=4000)
    Delivery.objects.create(
        notification=row.notification,
        channel=Channel.SMS,
        priority=row.priority,
        state=state,
        held_for=Reason.DIGEST,
        release_at=timezone.now(),
    )
    assert cleanup.clean_up()["notifications"] == 0
    assert Delivery.objects.count() == 2


def test_a_notification_whose_delivery_finished_late_is_kept_from_then_on(
    message: Make, settings: Any
) -> None:
    retention = settings.NOTIFICATION_RETENTION_DAYS
    message(days=retention + 30, finished=retention - 1)
    message(days=retention + 30, finished=retention + 1)
    assert cleanup.clean_up()["notifications"] == 1


def test_an_old_notification_without_deliveries_goes(message: Make, settings: Any) -> None:
    with rewritable_log():
        message(days=settings.NOTIFICATION_RETENTION_DAYS + 1).delete()
    assert cleanup.clean_up()["notifications"] == 1


def test_a_delivery_that_is_sent_again_meanwhile_stays(
    message: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = message(days=settings.NOTIFICATION_RETENTION_DAYS + 1, state=DeliveryState.BOUNCED)
    find = cleanup._next

    def find_and_resend(rows: Any, time_field: str, after: Any) -> Any:
        found = find(rows, time_field, after)
        transitions.resend(row, "sam")
        return found

    monkeypatch.setattr(cleanup, "_next", find_and_resend)
    assert cleanup.clean_up()["notifications"] == 0
    assert Delivery.objects.get().state == DeliveryState.DUE


def test_the_ledger_and_the_months_spend_survive_the_clean_up(message: Make, settings: Any) -> None:
    month = ago(days=400).date().replace(day=1)
    SMSSpend.objects.create(month=month, committed_usd="0.02")
    for channel, days in ((Channel.SMS, 400), (Channel.SMS, 100), (Channel.EMAIL, 400)):
        cost = {"cost_usd": "0.01", "cost_month": month} if channel == Channel.SMS else {}
        row = message(days=days, channel=channel, **cost)
        record(row, LogEvent.DELIVERED)
        if channel == Channel.SMS:
            Delivery.objects.create(
                notification=row.notification,
                channel=Channel.EMAIL,
                priority=row.priority,
                state=DeliveryState.DELIVERED,
                finished_at=row.finished_at,
            )
    cleanup.clean_up()
    found = ledger()
    assert found.balances, found.discrepancies
    assert found.deliveries == 2
    assert SMSSpend.objects.get().committed_usd == Decimal("0.02")


# --- The time of a run --------------------------------------------------------------------------
def test_a_run_out_of_time_ends_after_its_chunk_and_the_next_goes_on(
    message: Make, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    for days in range(5):
        message(days=settings.NOTIFICATION_RETENTION_DAYS + 1 + days)
    monkeypatch.setattr(cleanup, "RUN_S", -1.0)
    left = []
    for _ in range(3):
        cleanup.clean_up()
        left.append(Notification.objects.count())
    assert left == [3, 1, 0]
    assert "the next run goes on" in caplog.text
