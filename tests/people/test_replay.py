"""The last month under other settings: pure, so made of values alone."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from apps.core.message import kinds, quiet_hours
from apps.core.message.people import Made, Person
from apps.core.models import Notification
from apps.core.models.preferences import Setting
from apps.core.reasons import Reason
from apps.core.states import Channel, Priority
from apps.people.replay import replay

CHICAGO = ZoneInfo("America/Chicago")
NIGHT = datetime(2026, 7, 2, 4, tzinfo=UTC)  # 23:00 in Chicago
DAY = datetime(2026, 7, 2, 17, tzinfo=UTC)  # 12:00 in Chicago
QUIET = quiet_hours.every_day(time(21), time(7))


def message(kind: str, at: datetime, priority: Priority | None = None) -> Notification:
    if priority is None:
        priority = kinds.get(kind).priority
    return Notification(kind=kind, priority=priority, visible_from=at, title=kind)


def person(**wishes: object) -> Person:
    return Person(id=1, zone=CHICAGO, **wishes)  # type: ignore[arg-type]


def price(_: Notification) -> Decimal:
    return Decimal("0.01")


def test_it_counts_each_message_by_the_way_it_would_have_come():
    found = replay(
        [message("repair_approved", DAY), message("repair_in_progress", DAY)], person(), price
    )
    assert (found.messages, found.emails, found.texts, found.cost) == (2, 2, 1, Decimal("0.01"))
    assert (found.app_only, found.waits) == (0, [])


def test_urgent_messages_do_not_wait_and_others_wait_for_the_morning():
    found = replay(
        [message("repair_approved", NIGHT), message("repair_in_progress", NIGHT)],
        person(quiet=QUIET),
        price,
    )
    [wait] = found.waits
    assert wait.notification.kind == "repair_in_progress"
    assert wait.lasted == timedelta(hours=8)
    assert wait.until == datetime(2026, 7, 2, 12, tzinfo=UTC)


def test_a_day_of_daily_messages_is_one_mail():
    choices = {("repair_status", Channel.EMAIL): Made(Setting.DAILY)}
    messages = [message("repair_in_progress", DAY + timedelta(hours=n)) for n in range(3)]
    messages.append(message("repair_in_progress", DAY + timedelta(days=2)))
    found = replay(messages, person(choices=choices), price)
    assert (found.emails, found.digests, found.items) == (0, 2, 4)


def test_what_is_switched_off_stays_in_the_app():
    choices = {("repair_status", Channel.EMAIL): Made(Setting.OFF)}
    found = replay([message("repair_in_progress", DAY)], person(choices=choices), price)
    assert (found.app_only, found.emails) == (1, 0)


def test_a_person_who_cannot_be_reached_gets_everything_in_the_app():
    unreachable = {Channel.EMAIL: Reason.NO_EMAIL, Channel.SMS: Reason.NO_PHONE}
    found = replay([message("repair_approved", DAY)], person(unreachable=unreachable), price)
    assert (found.app_only, found.emails + found.texts) == (1, 0)


def test_a_present_pause_is_not_projected_into_the_past():
    found = replay(
        [message("repair_in_progress", DAY)], person(paused_until=DAY + timedelta(days=9)), price
    )
    assert found.waits == []


def test_kinds_that_are_gone_are_left_out():
    assert replay([message("windshield_washed", DAY, Priority.LOW)], person(), price).messages == 0


@pytest.mark.parametrize("kind", list(kinds.REGISTRY))
def test_every_kind_can_be_replayed(kind):
    assert replay([message(kind, NIGHT)], person(quiet=QUIET), price).messages == 1
