import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone

from apps.core.audit.ledger import ledger
from apps.core.delivery import folding, holds, transitions
from apps.core.exceptions import AmbiguousError, PermanentError
from apps.core.message import folded, things
from apps.core.message.things import Thing
from apps.core.models import Delivery, Digest, Notification
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.providers import memory
from apps.core.reasons import Reason
from apps.core.services import preferences
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource, Priority
from tests.support.attempts import attempt

pytestmark = pytest.mark.sqlite

Notify = Callable[..., list[Notification]]
Person = Callable[..., User]
MEDIUM = Priority.MEDIUM


def state(row: Notification) -> str:
    return row.deliveries.get().state


def send_what_is_due() -> None:
    for row in Delivery.objects.filter(state=DeliveryState.DUE):
        attempt(row.pk)


@pytest.fixture(autouse=True)
def _no_wake_ups(woken: list[Any]) -> None:
    """Wake no worker: the tests call the attempts themselves."""


def test_a_day_s_messages_leave_as_one(notify: Notify, daily: Person, time_is_over: Any) -> None:
    jane = daily()
    rows = [row for _ in range(3) for row in notify(jane, priority=MEDIUM)]
    assert folding.send_daily_digests() == 0
    time_is_over()
    assert folding.send_daily_digests() == 1
    assert sorted(map(state, rows)) == [
        DeliveryState.DUE,
        DeliveryState.FOLDED,
        DeliveryState.FOLDED,
    ]
    send_what_is_due()
    (mail,) = memory.emails
    assert mail.subject.startswith("Your daily summary: ")
    assert ledger().balances
    assert folding.send_daily_digests() == 0


def test_one_that_is_left_is_the_ordinary_mail_of_its_kind(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    notify(jane, priority=MEDIUM)
    (read,) = notify(jane, priority=MEDIUM)
    Notification.objects.filter(pk=read.pk).update(read_at=timezone.now())
    time_is_over()
    folding.send_daily_digests()
    send_what_is_due()
    (mail,) = memory.emails
    assert "summary" not in mail.subject
    skipped = read.deliveries.get()
    assert (skipped.state, skipped.decision) == (DeliveryState.SKIPPED, Reason.READ)


def test_what_waits_for_the_digest_leaves_as_one_at_the_person_s_word(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    rows = [row for _ in range(2) for row in notify(jane, priority=MEDIUM)]
    assert folding.send_now(jane.pk) == 1
    send_what_is_due()
    (mail,) = memory.emails
    assert mail.subject.endswith(" and 1 more")
    assert holds.waiting(jane.pk) == []
    carrier = Delivery.objects.get(decision=Reason.SENT_NOW)
    assert carrier.decided_by == jane
    assert {state(row) for row in rows} == {carrier.state, DeliveryState.FOLDED}
    # The day's own digest still comes.
    more = [row for _ in range(2) for row in notify(jane, priority=MEDIUM)]
    time_is_over()
    assert folding.send_daily_digests() == 1
    send_what_is_due()
    assert len(memory.emails) == 2
    assert {state(row) for row in more} == {carrier.state, DeliveryState.FOLDED}
    assert ledger().balances


def test_one_that_waits_is_at_the_person_s_word_the_ordinary_mail_of_its_kind(
    notify: Notify, daily: Person
) -> None:
    jane = daily()
    notify(jane, priority=MEDIUM)
    assert folding.send_now(jane.pk) == 1
    send_what_is_due()
    (mail,) = memory.emails
    assert "summary" not in mail.subject
    assert not Digest.objects.exists()


def test_none_that_is_left_is_no_mail_and_no_digest(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    rows = [row for _ in range(2) for row in notify(jane, priority=MEDIUM)]
    Notification.objects.update(read_at=timezone.now())
    time_is_over()
    assert folding.send_daily_digests() == 0
    assert {state(row) for row in rows} == {DeliveryState.SKIPPED}
    assert not Digest.objects.exists()


def test_what_is_settled_after_the_fold_is_not_in_the_mail(
    notify: Notify, daily: Person, time_is_over: Any, person: Person
) -> None:
    jane = daily()
    matters = [person() for _ in range(3)]
    rows = [row for about in matters for row in notify(jane, priority=MEDIUM, about=about)]
    time_is_over()
    folding.send_daily_digests()
    carrier = Delivery.objects.get(state=DeliveryState.DUE)
    # Also what carries the others may be settled: the others go all the same.
    about = next(m for m, row in zip(matters, rows, strict=True) if row == carrier.notification)
    assert NotificationService().settle(about, because="done") == 0
    assert len(folded.items(carrier)) == 2
    for other in matters:
        NotificationService().settle(other, because="done")
    send_what_is_due()
    assert memory.emails == []
    carrier.refresh_from_db()
    assert (carrier.state, carrier.decision) == (DeliveryState.SKIPPED, Reason.SETTLED)
    assert ledger().balances


def test_a_category_that_is_switched_off_after_the_fold_is_left_out(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    (approval,) = notify(jane, priority=MEDIUM)
    notify(jane, "repair_in_progress", priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    preferences.choose(
        jane, approval.category, Channel.EMAIL, Setting.OFF, via=ChoiceVia.MAIL_CLIENT
    )
    send_what_is_due()
    (mail,) = memory.emails
    assert mail.subject.startswith("Started")


def test_a_late_item_waits_for_the_next_day_s_digest(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily(time_zone="UTC")
    notify(jane, priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    (late,) = notify(jane, priority=MEDIUM)
    time_is_over()
    assert folding.send_daily_digests() == 0
    held = late.deliveries.get()
    assert held.release_at is not None
    assert held.release_at > timezone.now()
    assert held.release_at.hour == 9
    assert held.release_at.date() == Digest.objects.get().local_date + timedelta(days=1)  # type: ignore[operator]


def test_a_digest_of_unknown_outcome_keeps_its_items(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    for _ in range(3):
        notify(jane, priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    memory.failures.append(AmbiguousError("silence"))
    send_what_is_due()
    assert Delivery.objects.filter(state=DeliveryState.UNKNOWN).count() == 1
    notify(jane, priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    assert Delivery.objects.filter(state=DeliveryState.FOLDED).count() == 2
    unknown = Delivery.objects.get(state=DeliveryState.UNKNOWN)
    assert transitions.resend(unknown, "ann")
    send_what_is_due()
    (mail,) = memory.emails
    assert mail.subject.startswith("Your daily summary")
    assert len(folded.items(unknown)) == 3


def test_an_email_that_stands_in_for_a_text_carries_what_the_text_carried(
    notify: Notify, person: Person, time_is_over: Any
) -> None:
    jane = person()
    preferences.pause(jane, timezone.now() + timedelta(hours=1))
    for _ in range(3):
        notify(jane, priority=Priority.HIGH)
    preferences.of_person(jane)
    row = preferences.of_person(jane)
    row.paused_until = None
    row.save()
    time_is_over()
    folding.fold_due()
    memory.failures.append(PermanentError("no such number"))
    send_what_is_due()
    instead = Delivery.objects.get(channel=Channel.EMAIL)
    assert instead.digest
    assert len(folded.items(instead)) == 3
    assert ledger().balances


def test_messages_above_the_cap_become_one_text(
    notify: Notify, person: Person, time_is_over: Any, settings: Any
) -> None:
    settings.SMS_CAP_PER_PERSON_H = 2
    jane = person()
    for _ in range(5):
        notify(jane, priority=Priority.HIGH)
    send_what_is_due()
    assert len(memory.texts) == 2
    held = Delivery.objects.filter(state=DeliveryState.HELD)
    assert {row.held_for for row in held} == {Reason.CAP}
    assert len(held) == 3
    notify(jane, priority=Priority.URGENT)
    send_what_is_due()
    assert len(memory.texts) == 3
    assert folding.fold_due() == 0
    first = held.order_by("created_at")[0]
    Delivery.objects.filter(pk=first.pk).update(release_at=timezone.now())
    assert folding.fold_due() == 1
    send_what_is_due()
    assert len(memory.texts) == 4
    assert "and 2 more" in memory.texts[-1].text
    assert ledger().balances


def test_the_first_of_a_burst_leaves_at_once_and_the_others_together(
    notify: Notify, person: Person, time_is_over: Any, change_kind: Any
) -> None:
    change_kind("repair_approved", bundle=timedelta(minutes=10))
    jane = person()
    rows = [row for _ in range(4) for row in notify(jane, priority=Priority.HIGH)]
    # The last one is claimed first, and is not the first of the burst.
    for row in reversed(rows):
        attempt(row.deliveries.get().pk)
    assert len(memory.texts) == 1
    assert Delivery.objects.filter(held_for=Reason.BUNDLE).count() == 3
    time_is_over()
    folding.fold_due()
    send_what_is_due()
    assert len(memory.texts) == 2


def test_a_single_one_that_waited_is_the_ordinary_text(
    notify: Notify, person: Person, time_is_over: Any, settings: Any
) -> None:
    settings.SMS_CAP_PER_PERSON_H = 1
    jane = person()
    for _ in range(2):
        notify(jane, priority=Priority.HIGH)
    send_what_is_due()
    time_is_over()
    folding.fold_due()
    send_what_is_due()
    first, second = memory.texts
    assert first.text == second.text
    assert not Digest.objects.exists()


TWELVE_ZONES = (
    "America/Chicago",
    "America/New_York",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/St_Johns",
    "America/Havana",
    "Europe/London",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Honolulu",
)
#: The evening before the night on which American clocks are set back.
EVENING = datetime(2025, 11, 1, 23, 30, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_two_beats_on_a_dst_night_make_one_digest_for_each_person_at_nine(
    notify: Notify, daily: Person
) -> None:
    people = {zone: daily(time_zone=zone) for zone in TWELVE_ZONES}
    with time_machine.travel(EVENING, tick=False):
        for _ in range(3):
            notify(people.values(), "repair_in_progress", priority=MEDIUM)
    for zone, jane in people.items():
        moments = {row.release_at for row in holds.waiting(jane.pk)}
        (at,) = (moment.astimezone(ZoneInfo(zone)) for moment in moments if moment)
        assert (at.hour, at.minute) == (9, 0)
        assert EVENING < at < EVENING + timedelta(hours=26)
    made: list[int] = []
    barrier = threading.Barrier(2)

    def beat() -> None:
        barrier.wait()
        try:
            made.append(folding.send_daily_digests())
        finally:
            connections.close_all()

    beats = [threading.Thread(target=beat) for _ in range(2)]
    for each in beats:
        each.start()
    for each in beats:
        each.join()
    assert sum(made) == len(people)
    for zone, jane in people.items():
        digest = Digest.objects.get(user=jane)
        items = Delivery.objects.filter(notification__recipient=jane)
        assert {row.digest_id for row in items} == {digest.pk}
        assert sorted(row.state for row in items) == ["due", "folded", "folded"]
        (nine,) = {row.release_at for row in items if row.release_at}
        assert digest.local_date == nine.astimezone(ZoneInfo(zone)).date()
    send_what_is_due()
    assert len(memory.emails) == len(people)
    assert len({mail.to[0] for mail in memory.emails}) == len(people)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_dies_in_the_middle_leaves_all_items_for_the_next(
    notify: Notify, daily: Person, time_is_over: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = daily()
    for _ in range(3):
        notify(jane, priority=MEDIUM)
    time_is_over()
    with monkeypatch.context() as broken:
        broken.setattr(transitions, "log", _die)
        with pytest.raises(KeyboardInterrupt):
            folding.send_daily_digests()
    assert not Digest.objects.exists()
    assert len(holds.waiting(jane.pk)) == 3
    assert folding.send_daily_digests() == 1
    send_what_is_due()
    assert len(memory.emails) == 1
    assert connection.in_atomic_block is False


def _die(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_singles_and_digests_together_are_all_and_none_twice(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    rows = [row for _ in range(6) for row in notify(jane, priority=MEDIUM)]
    rows += notify(jane, priority=Priority.URGENT)
    singly = holds.waiting(jane.pk)[:2]
    holds.release(singly, LogSource.PERSON, decision=Reason.SENT_NOW, decided_at=timezone.now())
    time_is_over()
    folding.send_daily_digests()
    carriers = list(Delivery.objects.filter(state=DeliveryState.DUE, channel=Channel.EMAIL))
    shown = [item.pk for carrier in carriers for item in folded.items(carrier)]
    assert sorted(shown) == sorted(row.pk for row in rows)
    assert len(carriers) == 4
    send_what_is_due()
    assert len(memory.emails) == 4


@pytest.fixture
def repairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let users stand in for repairs: a function says their present state."""
    monkeypatch.setitem(
        things._describers,
        "auth.user",
        lambda ids: {pk: Thing(f"R-{pk}", "in progress", f"/repairs/{pk}/") for pk in ids},
    )


def test_an_item_is_the_thing_in_its_present_state(
    notify: Notify,
    daily: Person,
    person: Person,
    time_is_over: Any,
    repairs: None,
    change_kind: Any,
) -> None:
    change_kind("repair_approved", event="approved")
    change_kind("repair_in_progress", event="started")
    jane, first, second = daily(), person(), person()
    notify(jane, "repair_approved", priority=MEDIUM, about=first)
    notify(jane, "repair_in_progress", priority=MEDIUM, about=first)
    notify(jane, "repair_in_progress", priority=MEDIUM, about=second)
    time_is_over()
    folding.send_daily_digests()
    send_what_is_due()
    (mail,) = memory.emails
    assert f"- R-{first.pk}: approved, started; now in progress\n" in mail.body
    assert f"- R-{second.pk}: started; now in progress\n" in mail.body
    assert f"/repairs/{first.pk}/" in mail.body
    assert mail.subject == f"Your daily summary: R-{first.pk} and 1 more"


def test_a_digest_shows_twenty_items_and_counts_the_others(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    for _ in range(23):
        notify(jane, priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    send_what_is_due()
    (mail,) = memory.emails
    assert mail.body.count("\n- ") == folded.LONGEST
    assert "And 3 more." in mail.body
    assert "And 3 more." in str(mail.alternatives[0][0])  # type: ignore[attr-defined]


def test_the_lines_are_grouped_by_category_with_the_most_urgent_first() -> None:
    def line(category: str, priority: int) -> folded.DigestLine:
        return folded.DigestLine(f"{category}{priority}", (), "", "", category, (priority,))

    groups, more = folded.group(
        [line("News", 6), line("Approvals", 3), line("News", 9), line("Approvals", 9)]
    )
    assert [(each.category, [its.name for its in each.lines]) for each in groups] == [
        ("Approvals", ["Approvals3", "Approvals9"]),
        ("News", ["News6", "News9"]),
    ]
    assert more == 0


def test_the_ledger_names_a_folded_delivery_that_nothing_carries(
    notify: Notify, daily: Person, time_is_over: Any
) -> None:
    jane = daily()
    for _ in range(2):
        notify(jane, priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    Delivery.objects.filter(state=DeliveryState.DUE).update(digest=None)
    (found,) = ledger().discrepancies
    assert found.problem == "is folded, and no delivery carries its digest"


def test_the_ledger_names_what_is_held_long_after_its_time(notify: Notify, daily: Person) -> None:
    notify(daily(), priority=MEDIUM)
    assert ledger().balances
    Delivery.objects.update(release_at=timezone.now() - timedelta(hours=7))
    (found,) = ledger().discrepancies
    assert "is held" in found.problem


def test_each_fold_is_logged(notify: Notify, daily: Person, time_is_over: Any, story: Any) -> None:
    jane = daily()
    for _ in range(2):
        notify(jane, priority=MEDIUM)
    time_is_over()
    folding.send_daily_digests()
    other = Delivery.objects.get(state=DeliveryState.FOLDED)
    assert story(other) == [LogEvent.HELD, LogEvent.FOLDED]
    assert other.log.last().code == Reason.DIGEST  # type: ignore[union-attr]


def test_a_digest_s_date_is_that_of_its_hour_however_late_the_run(
    notify: Notify, daily: Person
) -> None:
    jane = daily(time_zone="Pacific/Auckland")
    for _ in range(2):
        notify(jane, priority=MEDIUM)
    nine = datetime(2025, 11, 5, 9, tzinfo=ZoneInfo("Pacific/Auckland"))
    Delivery.objects.filter(state=DeliveryState.HELD).update(release_at=nine)
    folding.send_daily_digests()
    assert Digest.objects.get().local_date == date(2025, 11, 5)


def test_a_person_for_whom_it_fails_does_not_stop_the_others(
    notify: Notify, daily: Person, time_is_over: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (gone,) = notify(daily(), priority=MEDIUM)
    (row,) = notify(daily(), priority=MEDIUM)
    Notification.objects.filter(pk=gone.pk).update(kind="kind_of_an_earlier_version")
    time_is_over()
    assert folding.send_daily_digests() == 1
    assert state(row) == DeliveryState.DUE
    assert state(gone) == DeliveryState.HELD
    assert "not folded" in caplog.text
