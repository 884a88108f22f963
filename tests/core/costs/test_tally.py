"""Acceptances are counted by day, once each, whenever the runs come."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.core.costs import tally
from apps.core.message import people
from apps.core.models import CostTally, Delivery
from apps.core.states import Channel, DeliveryState, LogEvent

pytestmark = pytest.mark.sqlite

NOW = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
Accept = Callable[..., Delivery]


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def accept(delivery: Callable[..., Delivery]) -> Accept:
    """Makes a delivery that its provider accepted at this time."""

    def make(at: datetime, channel: Channel = Channel.EMAIL, **values: Any) -> Delivery:
        row = delivery(channel, state=DeliveryState.ACCEPTED, attempts=1, **values)
        row.log.create(attempt=1, event=LogEvent.ACCEPTED, at=at)
        return row

    return make


def rows() -> list[tuple[date, str, str, int, int, Decimal]]:
    found = CostTally.objects.order_by("day", "channel", "country")
    return [(r.day, r.channel, r.country, r.messages, r.parts, r.usd) for r in found]


def test_e_mails_and_texts_are_counted_by_day_and_country(accept, person):
    today = NOW - timedelta(hours=1)
    for _ in range(2):
        accept(today)
    accept(today - timedelta(days=1))
    accept(today, Channel.SMS, parts=2, cost_usd=Decimal("0.0129"))
    british = person(phone="+447400123456", verified_phone="+447400123456")
    accept(today, Channel.SMS, recipient=british, parts=1, cost_usd=Decimal("0.5"))
    tally.count()
    assert rows() == [
        (date(2026, 11, 15), "email", "", 1, 0, Decimal(0)),
        (date(2026, 11, 16), "email", "", 2, 0, Decimal(0)),
        (date(2026, 11, 16), "sms", "GB", 1, 1, Decimal("0.5")),
        (date(2026, 11, 16), "sms", "US", 1, 2, Decimal("0.0129")),
    ]


def test_a_second_run_counts_only_what_has_come_since(accept, monkeypatch):
    accept(NOW - timedelta(hours=1))
    tally.count()
    tally.count()
    assert [row[3] for row in rows()] == [1]
    accept(NOW + timedelta(minutes=3))
    monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(minutes=30))
    tally.count()
    assert [row[3] for row in rows()] == [2]


def test_what_may_not_be_committed_yet_waits_for_the_next_run(accept, monkeypatch):
    accept(NOW - timedelta(seconds=30))
    tally.count()
    assert rows() == []
    assert tally.counted_until() == NOW - timedelta(minutes=10)
    monkeypatch.setattr(timezone, "now", lambda: NOW + tally.SETTLE)
    tally.count()
    assert [row[3] for row in rows()] == [1]


def test_other_outcomes_are_not_counted(delivery):
    row = delivery(state=DeliveryState.REJECTED, attempts=1)
    at = NOW - timedelta(hours=1)
    for event in (LogEvent.CALLING, LogEvent.PERMANENT, LogEvent.DELIVERED):
        row.log.create(attempt=1, event=event, at=at)
    tally.count()
    assert rows() == []


def test_a_run_that_takes_long_leaves_the_rest_to_the_next(accept, monkeypatch):
    accept(NOW - timedelta(hours=1))
    accept(NOW - timedelta(days=1))
    monkeypatch.setattr(tally, "RUN_S", -1.0)
    tally.count()
    assert tally.counted_until() == NOW - timedelta(days=1) + tally.STEP
    assert [row[0] for row in rows()] == [date(2026, 11, 15)]


def test_the_first_run_begins_with_last_month(accept):
    accept(datetime(2026, 9, 30, 23, tzinfo=UTC))
    accept(datetime(2026, 10, 1, tzinfo=UTC))
    tally.count()
    assert [row[0] for row in rows()] == [date(2026, 10, 1)]


def test_the_group_is_the_recipient_s(accept, person, monkeypatch):
    manager = person()
    monkeypatch.setattr(people, "_resolvers", [lambda ids: {manager.pk: ["company:7"]}])
    accept(NOW - timedelta(hours=1), recipient=manager)
    accept(NOW - timedelta(hours=1))
    tally.count()
    assert set(CostTally.objects.values_list("group", flat=True)) == {"", "company:7"}
