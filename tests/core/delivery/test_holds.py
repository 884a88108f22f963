from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core.audit.ledger import ledger
from apps.core.delivery import folding, holds
from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.providers import memory
from apps.core.reasons import Reason
from apps.core.services import preferences
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource, Priority
from tests.support.attempts import attempt

pytestmark = pytest.mark.sqlite

Notify = Callable[..., list[Notification]]
Person = Callable[..., User]
Story = Callable[[Delivery], list[str]]


def in_hours(number: float) -> datetime:
    return timezone.now() + timedelta(hours=number)


def only(row: Notification) -> Delivery:
    return row.deliveries.get()


def quiet_now(user: User) -> None:
    """Let a person's quiet hours begin two hours ago and end in two."""
    local = timezone.now().astimezone(UTC)
    user.contact.time_zone = "UTC"
    user.contact.save()
    begin, end = (local + timedelta(hours=n) for n in (-2, 2))
    preferences.set_times(user, quiet=[[day, f"{begin:%H:%M}", f"{end:%H:%M}"] for day in range(7)])


def test_a_message_in_quiet_hours_is_held_and_sent_when_they_are_over(
    notify: Notify, person: Person, story: Story, woken: list[Any], time_is_over: Any
) -> None:
    jane = person()
    quiet_now(jane)
    (row,) = notify(jane, priority=Priority.MEDIUM)
    held = only(row)
    assert (held.state, held.held_for) == (DeliveryState.HELD, Reason.QUIET_HOURS)
    assert held.decision == Reason.KIND_DEFAULT_ON
    assert held.release_at is not None
    assert in_hours(1.9) < held.release_at < in_hours(2)
    assert holds.release_due() == 0
    attempt(held.pk)
    assert memory.emails == []

    quiet = preferences.of_person(jane)
    quiet.quiet = []
    quiet.save()
    time_is_over()
    assert holds.release_due() == 1
    attempt(held.pk)
    assert len(memory.emails) == 1
    assert story(held) == [
        LogEvent.HELD,
        LogEvent.RELEASED,
        LogEvent.CALLING,
        LogEvent.ACCEPTED,
    ]
    assert ledger().balances


def test_an_urgent_message_breaks_through_quiet_hours_and_a_pause(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    quiet_now(jane)
    preferences.pause(jane, in_hours(24))
    (row,) = notify(jane, priority=Priority.URGENT)
    assert {each.state for each in row.deliveries.all()} == {DeliveryState.DUE}


def test_a_release_that_comes_too_early_is_held_again_by_its_worker(
    notify: Notify, person: Person, story: Story, woken: list[Any], time_is_over: Any
) -> None:
    jane = person()
    quiet_now(jane)
    (row,) = notify(jane, priority=Priority.MEDIUM)
    time_is_over()
    holds.release_due()
    attempt(only(row).pk)
    again = only(row)
    assert memory.emails == []
    assert (again.state, again.held_for) == (DeliveryState.HELD, Reason.QUIET_HOURS)
    assert (again.lease_until, again.next_attempt_at) == (None, None)
    assert story(again) == [LogEvent.HELD, LogEvent.RELEASED, LogEvent.HELD]


def test_a_run_releases_no_more_than_the_pace_allows_and_urgent_ones_first(
    notify: Notify, person: Person, woken: list[Any], time_is_over: Any, settings: Any
) -> None:
    settings.EMAIL_RATE_LIMIT = 2 / holds.RELEASE_EVERY_S
    for priority in (Priority.MEDIUM, Priority.MEDIUM, Priority.HIGH):
        jane = person(sms_opt_in=False)
        quiet_now(jane)
        notify(jane, priority=priority)
    time_is_over()
    assert holds.release_due() == 2
    due = Delivery.objects.filter(state=DeliveryState.DUE).order_by("priority")
    assert [row.priority for row in due] == [Priority.HIGH, Priority.MEDIUM]
    assert holds.release_due() == 1


def test_the_person_sees_what_waits_and_can_send_it_now(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    quiet_now(jane)
    notify([jane, person()], priority=Priority.MEDIUM)
    notify(jane, priority=Priority.MEDIUM)
    first, second = holds.waiting(jane.pk)
    assert {first.notification.recipient_id, second.notification.recipient_id} == {jane.pk}
    # Quiet hours hold each singly.
    assert folding.send_now(jane.pk) == 2
    attempt(first.pk)
    assert sum(jane.contact.email in mail.to for mail in memory.emails) == 2
    sent = Delivery.objects.get(pk=first.pk)
    assert (sent.decision, sent.decided_by) == (Reason.SENT_NOW, jane)
    assert list(holds.waiting(jane.pk)) == []
    released = NotificationDeliveryLog.objects.filter(event=LogEvent.RELEASED)
    assert {entry.delivery_id for entry in released} == {first.pk, second.pk}
    assert {entry.source for entry in released} == {LogSource.PERSON}


def test_nobody_sends_what_waits_for_another_person(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane, eve = person(), person()
    quiet_now(jane)
    (row,) = notify(jane, priority=Priority.MEDIUM)
    assert folding.send_now(eve.pk) == 0
    assert only(row).state == DeliveryState.HELD


def test_changed_quiet_hours_release_what_waited_for_them(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    quiet_now(jane)
    (row,) = notify(jane, priority=Priority.MEDIUM)
    preferences.set_times(jane, quiet=[])
    assert only(row).state == DeliveryState.DUE


def test_a_changed_time_zone_moves_what_waits(
    notify: Notify, daily: Person, woken: list[Any]
) -> None:
    jane = daily(time_zone="America/Chicago")
    (row,) = notify(jane, priority=Priority.MEDIUM)
    before = only(row).release_at
    preferences.set_time_zone(jane, "Asia/Tokyo", is_confirmed=True)
    after = only(row).release_at
    assert before is not None
    assert after is not None
    assert before != after
    assert after.astimezone(UTC).hour == 0


def test_a_pause_holds_what_waits_already_and_its_end_releases_it(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    quiet_now(jane)
    (row,) = notify(jane, priority=Priority.MEDIUM)
    until = in_hours(51)
    preferences.pause(jane, until)
    assert (only(row).held_for, only(row).release_at) == (Reason.PAUSED, until)
    preferences.set_times(jane, quiet=[])
    preferences.pause(jane, None)
    assert only(row).state == DeliveryState.DUE


def test_a_category_that_is_switched_off_ends_what_waits_of_it(
    notify: Notify, daily: Person, woken: list[Any], change_kind: Any
) -> None:
    change_kind("repair_approved", keeps_one_outside=False)
    jane = daily()
    (row,) = notify(jane, priority=Priority.MEDIUM)
    preferences.choose(jane, row.category, Channel.EMAIL, Setting.OFF, via=ChoiceVia.PAGE, by=jane)
    held = only(row)
    assert (held.state, held.decision) == (DeliveryState.SKIPPED, Reason.PERSON_OFF)
    assert held.decided_by == jane
    assert ledger().balances


def test_the_deputy_gets_what_cannot_wait(
    notify: Notify, person: Person, woken: list[Any], change_kind: Any
) -> None:
    change_kind("repair_approved", goes_to_deputy=True)
    jane, luis, ann = person(), person(), person()
    preferences.pause(jane, in_hours(5), deputy=luis)
    rows = notify([jane, ann], priority=Priority.HIGH)
    assert {row.recipient_id for row in rows} == {jane.pk, luis.pk, ann.pk}
    states = {row.recipient_id: only(row).state for row in rows}
    assert states == {
        jane.pk: DeliveryState.HELD,
        luis.pk: DeliveryState.DUE,
        ann.pk: DeliveryState.DUE,
    }


@pytest.mark.parametrize("change", ["not a matter for deputies", "the pause is over", "urgent"])
def test_the_deputy_gets_nothing_else(
    notify: Notify, person: Person, woken: list[Any], change_kind: Any, change: str
) -> None:
    change_kind("repair_approved", goes_to_deputy=change != "not a matter for deputies")
    jane, luis = person(), person()
    preferences.pause(jane, in_hours(-1 if change == "the pause is over" else 5), deputy=luis)
    priority = Priority.URGENT if change == "urgent" else Priority.HIGH
    assert [row.recipient_id for row in notify(jane, priority=priority)] == [jane.pk]


def test_what_is_scheduled_into_quiet_hours_is_held_from_the_start(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    quiet_now(jane)
    (row,) = notify(jane, priority=Priority.MEDIUM, scheduled_for=in_hours(1))
    assert only(row).state == DeliveryState.HELD
    (later,) = notify(jane, priority=Priority.MEDIUM, scheduled_for=in_hours(3))
    assert only(later).state == DeliveryState.DUE


def test_what_a_person_pauses_leaves_as_one_message_afterwards(
    notify: Notify, person: Person, woken: list[Any], time_is_over: Any
) -> None:
    jane = person(sms_opt_in=False)
    preferences.pause(jane, in_hours(2))
    for _ in range(3):
        notify(jane, priority=Priority.HIGH)
    row = preferences.of_person(jane)
    row.paused_until = in_hours(-1)
    row.save()
    time_is_over()
    assert holds.release_due() == 0
    assert folding.fold_due() == 1
    due = Delivery.objects.get(state=DeliveryState.DUE)
    attempt(due.pk)
    (mail,) = memory.emails
    assert mail.subject.startswith("While you were away")
    assert ledger().balances


def test_an_email_stands_in_for_a_held_text_whose_owner_answered_stop(
    notify: Notify, person: Person, woken: list[Any]
) -> None:
    jane = person()
    preferences.pause(jane, in_hours(2))
    (row,) = notify(jane, priority=Priority.HIGH)
    assert only(row).state == DeliveryState.HELD
    preferences.choose(jane, "", Channel.SMS, Setting.OFF, via=ChoiceVia.STOP)
    text, email = (row.deliveries.get(channel=channel) for channel in (Channel.SMS, Channel.EMAIL))
    assert (text.state, text.decision) == (DeliveryState.SKIPPED, Reason.STOPPED)
    attempt(email.pk)
    email.refresh_from_db()
    assert (email.state, email.held_for) == (DeliveryState.HELD, Reason.PAUSED)
    assert ledger().balances


def test_settings_can_change_while_a_message_of_an_earlier_version_waits(
    notify: Notify, daily: Person, woken: list[Any]
) -> None:
    jane = daily()
    (row,) = notify(jane, priority=Priority.MEDIUM)
    Notification.objects.update(kind="kind_of_an_earlier_version")
    preferences.set_times(jane, digest_hour=11)
    assert only(row).state == DeliveryState.HELD
