"""The figures of a minute are what a count of the rows gives, however often they are kept."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.audit import observations, rollups
from apps.core.audit.alarms import figures
from apps.core.audit.rollups import MINUTE, recount
from apps.core.delivery import cleanup
from apps.core.models import (
    Alarm,
    DayFigures,
    Delivery,
    Mark,
    MinuteFigures,
    Notification,
    NotificationDeliveryLog,
    ProviderEvent,
)
from apps.core.models.delivery_log import allow_deletion
from apps.core.models.tally import BUCKETS, SUMS
from apps.core.states import (
    Channel,
    DeliveryState,
    EventKind,
    LogEvent,
    Priority,
)
from tests.support.queries import statements

Make = Callable[..., Delivery]
NOON = datetime(2026, 11, 28, 17, 0, tzinfo=UTC)


def log(row: Delivery, event: LogEvent, at: datetime) -> None:
    NotificationDeliveryLog.objects.create(delivery=row, attempt=1, event=event, at=at)


def rows() -> dict[tuple[datetime, str], dict[str, Any]]:
    return {
        (row.minute, row.channel): {
            **{name: getattr(row, name) for name in SUMS},
            "last": (row.last_accepted_at, row.last_delivered_at),
        }
        for row in MinuteFigures.objects.all()
    }


def random_history(chance: random.Random, recipient: Any, minutes: int) -> None:
    """Make deliveries, entries and receipts at random times, some of them outside the minutes."""

    def moment() -> datetime:
        return NOON + timedelta(seconds=chance.randrange(-120, 60 * minutes + 120))

    for number in range(30):
        notification = Notification.objects.create(
            recipient=recipient, kind="x", category="x", priority=Priority.HIGH, context={}
        )
        row = Delivery.objects.create(
            notification=notification,
            channel=chance.choice(Channel.values),
            priority=Priority.HIGH,
            state=chance.choice([DeliveryState.DELIVERED, DeliveryState.EXHAUSTED]),
            due_at=moment() - timedelta(seconds=chance.choice([0, 0.4, 3, 9, 10, 59, 4000])),
            finished_at=moment(),
            cost_usd=chance.choice([None, Decimal("0.00645")]),
        )
        Delivery.objects.filter(pk=row.pk).update(created_at=moment())
        for _ in range(chance.randrange(4)):
            log(row, chance.choice(list(LogEvent)), moment())
        if chance.random() < 0.3:
            event = ProviderEvent.objects.create(
                fingerprint=str(number),
                kind=EventKind.DELIVERED,
                provider="sns",
                parts=chance.randrange(1, 4),
                delivery=row,
                occurred_at=NOON,
            )
            ProviderEvent.objects.filter(pk=event.pk).update(received_at=moment())


def brute_force(start: datetime, end: datetime) -> dict[tuple[datetime, str], Counter[str]]:
    """Count the same row by row, in Python."""
    found: dict[tuple[datetime, str], Counter[str]] = {}

    def count(at: datetime, row: Delivery, what: str, number: Any = 1) -> None:
        if start <= at < end:
            key = (at.replace(second=0, microsecond=0), row.channel)
            found.setdefault(key, Counter())[what] += number

    for row in Delivery.objects.all():
        count(row.created_at, row, "created")
        if row.state == DeliveryState.EXHAUSTED and row.finished_at:
            count(row.finished_at, row, "failed")
    for entry in NotificationDeliveryLog.objects.select_related("delivery"):
        row, at = entry.delivery, entry.at
        match entry.event:
            case LogEvent.ACCEPTED:
                count(at, row, "accepted")
                count(at, row, "dollars", row.cost_usd or 0)
                seconds = (at - row.due_at).total_seconds()
                bucket = next(name for name, most in BUCKETS.items() if seconds <= most)
                count(at, row, bucket)
            case LogEvent.DELIVERED | LogEvent.HELD | LogEvent.SKIPPED:
                count(at, row, entry.event)
            case LogEvent.BOUNCED:
                count(at, row, "failed")
            case LogEvent.PERMANENT:
                count(at, row, "failed")
                count(at, row, "refused")
            case LogEvent.TRANSIENT | LogEvent.AMBIGUOUS:
                count(at, row, "refused")
    for event in ProviderEvent.objects.select_related("delivery"):
        if event.delivery and event.delivery.channel == Channel.SMS:
            count(event.received_at, event.delivery, "parts", event.parts)
    return found


@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.sqlite
def test_the_figures_are_those_of_a_count_row_by_row(seed: int, django_user_model: Any, db: None):
    allow_deletion()
    for model in (MinuteFigures, DayFigures, ProviderEvent, Notification):
        model.objects.all().delete()
    user, _ = django_user_model.objects.get_or_create(username="counted")
    chance = random.Random(seed)
    random_history(chance, user, minutes=5)
    start, end = NOON, NOON + 5 * MINUTE
    recount(start, end)
    expected = brute_force(start, end)
    found = rows()
    for key, row in found.items():
        counted = {name: row[name] for name in SUMS if row[name]}
        assert counted == {name: n for name, n in expected.get(key, Counter()).items() if n}
    assert {key for key, counts in expected.items() if any(counts.values())} <= set(found)
    # In any pieces and order, and again: nothing doubles.
    for _ in range(3):
        a, b = sorted(chance.sample(range(6), 2))
        recount(NOON + a * MINUTE, NOON + b * MINUTE)
    assert rows() == found
    days = DayFigures.objects.values_list("channel", *SUMS)
    for channel, *sums in days:
        minutes = [row for (_, c), row in found.items() if c == channel]
        assert sums == [sum(row[name] for row in minutes) for name in SUMS]


def test_a_run_recounts_the_last_minutes_and_catches_up_after_an_outage(
    delivery: Make, db: None
) -> None:
    now = timezone.now()
    row = delivery()
    log(row, LogEvent.ACCEPTED, now - timedelta(hours=3))
    rollups.keep(now - timedelta(hours=4))
    assert not MinuteFigures.objects.filter(accepted__gt=0).exists()
    rollups.keep(now)
    assert MinuteFigures.objects.get(accepted=1).minute < now - timedelta(hours=2)
    # An entry of a transaction that was open for two minutes.
    log(row, LogEvent.DELIVERED, now - timedelta(minutes=2))
    rollups.keep(now)
    assert MinuteFigures.objects.get(delivered=1).last_delivered_at == now - timedelta(minutes=2)
    counted = rollups.counted_until()
    assert counted is not None
    assert now - timedelta(minutes=7) < counted <= now - timedelta(minutes=5)


def test_a_run_that_takes_too_long_goes_on_next_time(
    monkeypatch: pytest.MonkeyPatch, db: None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rollups, "RUN_S", -1)
    now = timezone.now()
    rollups.keep(now)
    first = rollups.counted_until()
    rollups.keep(now)
    second = rollups.counted_until()
    assert first is not None
    assert second == first + rollups.CHUNK
    assert "the next run goes on" in caplog.text


def test_a_day_is_that_of_the_site_s_time_zone(delivery: Make, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    row = delivery()
    log(row, LogEvent.ACCEPTED, datetime(2026, 11, 28, 4, 30, tzinfo=UTC))
    recount(datetime(2026, 11, 28, 4, 0, tzinfo=UTC), datetime(2026, 11, 28, 6, 0, tzinfo=UTC))
    [day] = DayFigures.objects.filter(accepted=1)
    assert day.day.isoformat() == "2026-11-27"


def test_a_quiet_run_takes_few_statements(db: None, django_assert_max_num_queries: Any) -> None:
    rollups.keep()
    with django_assert_max_num_queries(20) as captured:
        rollups.keep()
    assert len(statements(captured)) <= 20


def test_the_clean_up_deletes_old_minutes_and_alarms_and_keeps_days(db: None) -> None:
    long_ago, lately = timezone.now() - timedelta(days=100), timezone.now() - timedelta(days=1)
    ancient = timezone.now() - timedelta(days=400)
    for at in (long_ago, lately):
        MinuteFigures.objects.create(minute=at, channel=Channel.EMAIL)
        DayFigures.objects.create(day=at.date(), channel=Channel.EMAIL)
    DayFigures.objects.create(day=ancient.date(), channel=Channel.EMAIL)
    values = {"value": 1, "sentence": "x", "seen_at": ancient, "started_at": ancient}
    Alarm.objects.create(name="bounces", ended_at=ancient, **values)
    Alarm.objects.create(name="doctor", **values)
    cleanup.clean_up()
    assert MinuteFigures.objects.get().minute == lately
    assert DayFigures.objects.count() == 2
    assert Alarm.objects.get().name == "doctor"


@pytest.mark.postgresql
def test_no_figure_reads_a_whole_table(person: Any, django_assert_max_num_queries: Any) -> None:
    _fill(person(), timezone.now() - timedelta(days=40))
    now = timezone.now()
    with django_assert_max_num_queries(60) as captured:
        recount(now - MINUTE, now)
        observations.read_reasons()
        figures.waiting(now)
        figures._urgent_wait(now)
    read = [sql for sql in statements(captured) if sql.startswith("SELECT")]
    assert len(read) > 8
    with connection.cursor() as cursor:
        for sql in read:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            for table in ("delivery", "notificationdeliverylog", "providerevent"):
                assert f"Seq Scan on core_{table} " not in plan, plan


def _fill(recipient: Any, at: datetime) -> None:
    """Make 3,000 old deliveries, each with three entries and an event; then analyze."""
    notifications = Notification.objects.bulk_create(
        Notification(recipient=recipient, kind="x", category="x", priority=6, context={})
        for _ in range(3000)
    )
    rows = Delivery.objects.bulk_create(
        Delivery(
            notification=each,
            channel=Channel.EMAIL,
            priority=6,
            state=DeliveryState.DELIVERED,
            next_attempt_at=None,
            finished_at=at,
        )
        for each in notifications
    )
    Delivery.objects.update(created_at=at)
    events = (LogEvent.CALLING, LogEvent.ACCEPTED, LogEvent.DELIVERED)
    NotificationDeliveryLog.objects.bulk_create(
        NotificationDeliveryLog(delivery=row, attempt=1, event=event, at=at)
        for row in rows
        for event in events
    )
    ProviderEvent.objects.bulk_create(
        ProviderEvent(
            fingerprint=str(row.pk),
            kind=EventKind.DELIVERED,
            provider="ses",
            delivery=row,
            occurred_at=at,
        )
        for row in rows
    )
    ProviderEvent.objects.update(received_at=at)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def test_a_mark_says_how_far_it_came(db: None) -> None:
    assert rollups.counted_until() is None
    rollups.keep()
    assert Mark.objects.get(name=rollups.COUNTED).at == rollups.counted_until()
