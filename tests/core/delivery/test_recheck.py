"""Between notify() and the call the world may have changed: nothing stale leaves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.audit.ledger import ledger
from apps.core.delivery.recheck import recheck
from apps.core.guards import rate_limit
from apps.core.models import Contact, Delivery, Notification
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.providers import memory
from apps.core.reasons import Reason, Verdict
from apps.core.services import preferences
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.attempts import attempt
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Notify = Callable[..., list[Notification]]
Person = Callable[..., User]
KIND = "repair_approved"


@pytest.fixture(autouse=True)
def _no_wake_ups(woken: list[Any]) -> None:
    """Wake no worker: the tests call the attempts themselves."""


def settled(row: Notification) -> None:
    Notification.objects.filter(pk=row.pk).update(settled_at=timezone.now())


def read(row: Notification) -> None:
    Notification.objects.filter(pk=row.pk).update(read_at=timezone.now())


def old(row: Notification) -> None:
    before = timezone.now() - timedelta(hours=2)
    Notification.objects.filter(pk=row.pk).update(visible_from=before)


def switched_off(row: Notification) -> None:
    preferences.choose(row.recipient, row.category, Channel.SMS, Setting.OFF, via=ChoiceVia.STOP)


@pytest.mark.parametrize(
    ("change", "declared", "reason"),
    [
        (settled, {}, Reason.SETTLED),
        (read, {"is_stale_when_read": True}, Reason.READ),
        (old, {"expires_after": timedelta(hours=1)}, Reason.EXPIRED),
    ],
)
def test_what_has_become_pointless_is_skipped_and_nothing_stands_in(
    notify: Notify, person: Person, change_kind: Any, change: Any, declared: Any, reason: Reason
) -> None:
    change_kind(KIND, **declared)
    (row,) = notify(person(), priority=Priority.HIGH)
    text = row.deliveries.get()
    change(row)
    attempt(text.pk)
    assert memory.texts == []
    text = row.deliveries.get()
    assert (text.state, text.decision) == (DeliveryState.SKIPPED, reason)
    assert ledger().balances


def test_what_was_read_leaves_all_the_same_if_the_kind_does_not_mind(
    notify: Notify, person: Person
) -> None:
    (row,) = notify(person(), priority=Priority.HIGH)
    read(row)
    attempt(row.deliveries.get().pk)
    assert len(memory.texts) == 1


def test_a_channel_that_was_switched_off_meanwhile_gives_way_to_the_other(
    notify: Notify, person: Person
) -> None:
    (row,) = notify(person(), priority=Priority.HIGH)
    switched_off(row)
    attempt(row.deliveries.get().pk)
    assert memory.texts == []
    text = row.deliveries.get(channel=Channel.SMS)
    assert (text.state, text.decision) == (DeliveryState.SKIPPED, Reason.STOPPED)
    assert row.deliveries.get(channel=Channel.EMAIL).state == DeliveryState.DUE


def test_an_address_that_was_lost_meanwhile_leaves_its_code(notify: Notify, person: Person) -> None:
    (row,) = notify(person(), priority=Priority.MEDIUM)
    Contact.objects.update(verified_email="")
    attempt(row.deliveries.get().pk)
    email = row.deliveries.get()
    assert (email.state, email.decision) == (DeliveryState.SKIPPED, Reason.EMAIL_UNVERIFIED)
    assert email.reason == Reason.EMAIL_UNVERIFIED.label


def test_a_pause_that_began_meanwhile_holds_what_a_worker_has(
    notify: Notify, person: Person
) -> None:
    jane = person()
    (row,) = notify(jane, priority=Priority.MEDIUM)
    until = timezone.now() + timedelta(hours=3)
    preferences.pause(jane, until)
    attempt(row.deliveries.get().pk)
    held = row.deliveries.get()
    assert (held.state, held.held_for, held.release_at) == (
        DeliveryState.HELD,
        Reason.PAUSED,
        until,
    )


def test_a_batch_costs_as_many_statements_as_one(
    notify: Notify, person: Person, settings: Any
) -> None:
    settings.EMAIL_CAP_PER_PERSON_H = 100
    people = [person() for _ in range(20)]
    for jane in people:
        preferences.choose(jane, "", Channel.SMS, Setting.OFF, via=ChoiceVia.PAGE, by=jane)
    notify(people, priority=Priority.MEDIUM)
    rows = list(Delivery.objects.select_related("notification"))
    with CaptureQueriesContext(connection) as captured:
        found = recheck(rows)
    assert {each.verdict for each in found.values()} == {Verdict.SEND}
    assert len(found) == 20
    # Notifications, people, their choices and times, and what left in the last hour.
    assert len(statements(captured)) == 5


def test_without_choices_and_caps_two_statements_are_enough(notify: Notify, person: Person) -> None:
    notify([person() for _ in range(20)], priority=Priority.MEDIUM)
    rows = list(Delivery.objects.select_related("notification"))
    with CaptureQueriesContext(connection) as captured:
        recheck(rows)
    assert len(statements(captured)) == 2


def test_what_is_settled_during_the_wait_for_a_rate_slot_does_not_leave(
    notify: Notify, person: Person, story: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    matter = person()
    (row,) = notify(person(), priority=Priority.HIGH, about=matter)
    text = row.deliveries.get()
    take = rate_limit.take

    def take_late(*arguments: Any, **options: Any) -> rate_limit.Answer:
        _settle(matter)
        return take(*arguments, **options)

    monkeypatch.setattr(rate_limit, "take", take_late)
    attempt(text.pk)
    assert memory.texts == []
    text = row.deliveries.get()
    assert (text.state, text.decision) == (DeliveryState.SKIPPED, Reason.SETTLED)
    assert story(text) == ["skipped"]


def _settle(matter: User) -> None:
    assert NotificationService().settle(matter, because="approved by Luis") == 0


def test_what_is_settled_between_the_look_and_the_claim_does_not_leave(
    notify: Notify, person: Person
) -> None:
    (row,) = notify(person(), priority=Priority.HIGH)
    text = Delivery.objects.select_related("notification").get(notification=row)
    settled(row)
    (found,) = recheck([text]).values()
    assert (found.verdict, found.reason) == (Verdict.SKIP, Reason.SETTLED)


def test_of_a_batch_for_one_person_the_cap_lets_the_oldest_through(
    notify: Notify, person: Person, settings: Any
) -> None:
    settings.SMS_CAP_PER_PERSON_H = 2
    jane = person()
    rows = [
        row.deliveries.select_related("notification").get()
        for _ in range(4)
        for row in notify(jane, priority=Priority.HIGH)
    ]
    found = recheck(list(reversed(rows)))
    assert [found[row.pk].verdict for row in rows] == ["send", "send", "hold", "hold"]


def test_the_cap_counts_each_person_and_each_channel_alone(
    notify: Notify, person: Person, settings: Any
) -> None:
    settings.SMS_CAP_PER_PERSON_H = settings.EMAIL_CAP_PER_PERSON_H = 1
    jane, luis = person(), person()
    for who in (jane, luis):
        notify(who, priority=Priority.HIGH)
    notify(jane, priority=Priority.MEDIUM)
    rows = list(Delivery.objects.select_related("notification"))
    assert {each.verdict for each in recheck(rows).values()} == {Verdict.SEND}


def test_a_kind_that_is_gone_does_not_stop_the_rest_of_a_batch(
    notify: Notify, person: Person
) -> None:
    matter = person()
    (gone,) = notify(person(), priority=Priority.MEDIUM)
    (row,) = notify(person(), priority=Priority.MEDIUM, about=matter)
    Notification.objects.filter(pk=gone.pk).update(kind="kind_of_an_earlier_version")
    settled(row)
    rows = list(Delivery.objects.all())
    found = {each.notification_id: recheck(rows)[each.pk].verdict for each in rows}
    assert found == {gone.pk: Verdict.SEND, row.pk: Verdict.SKIP}
