import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command, execute_from_command_line
from django.db import connection
from django.utils import timezone

from apps.core.audit.ledger import EVIDENCE, ledger
from apps.core.delivery.outcomes import record_lost_worker, settle_unknown
from apps.core.delivery.transitions import record
from apps.core.exceptions import AmbiguousError, PermanentError, TransientError
from apps.core.management.commands import ledger as command
from apps.core.models import Delivery, Notification, SMSSpend
from apps.core.providers import memory
from apps.core.services import verification
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource, Priority
from tests.support.attempts import attempt, claimed
from tests.support.log import rewritable_log

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]


def problems() -> list[str]:
    return [each.problem for each in ledger().discrepancies]


def update(row: Delivery, **values: Any) -> Delivery:
    Delivery.objects.filter(pk=row.pk).update(**values)
    return Delivery.objects.get(pk=row.pk)


def test_the_ledger_balances_over_every_way_a_delivery_can_go(
    delivery: Make, notify: Any, person: Any
) -> None:
    for failure in (None, PermanentError("no"), TransientError("busy"), AmbiguousError("silence")):
        if failure:
            memory.failures.append(failure)
        attempt(delivery().pk)
    memory.failures.append(TransientError("busy"))
    attempt(delivery(due_at=timezone.now() - timedelta(days=2), failures=3).pk)
    claimed(delivery().pk)
    delivery()
    notify(person(sms_opt_in=False))
    books = ledger()
    assert books.discrepancies == []
    assert books.deliveries == sum(books.states.values()) == 9
    assert books.states == {
        "due": 3,
        "sending": 1,
        "retrying": 0,
        "unknown": 1,
        "accepted": 1,
        "delivered": 0,
        "bounced": 0,
        "complained": 0,
        "rejected": 1,
        "exhausted": 1,
        "skipped": 1,
        "held": 0,
        "folded": 0,
    }
    assert books.taken == 1


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (DeliveryState.ACCEPTED, "is accepted, and no entry of its log says so"),
        (DeliveryState.SKIPPED, "is skipped, and no entry of its log says so"),
        (DeliveryState.UNKNOWN, "is unknown, and no entry of its log says so"),
    ],
)
def test_a_state_without_a_log_entry_is_a_discrepancy(
    delivery: Make, state: DeliveryState, problem: str
) -> None:
    delivery(state=state, finished_at=timezone.now())
    assert problems() == [problem]


def test_a_message_about_one_address_needs_no_other_channel(person: Any) -> None:
    contact = person().contact
    for channel in Channel:
        verification.send(contact, channel)
    for row in Delivery.objects.all():
        attempt(row.pk)
    books = ledger()
    assert books.discrepancies == []
    assert books.states["accepted"] == 2


def test_a_delivery_older_than_its_log_is_no_discrepancy(delivery: Make) -> None:
    delivery(state=DeliveryState.ACCEPTED, finished_at=timezone.now() - timedelta(days=91))
    assert problems() == []


def test_an_acceptance_that_the_row_does_not_show_is_a_discrepancy(delivery: Make) -> None:
    record(delivery(), LogEvent.ACCEPTED)
    assert problems() == ["was accepted according to its log, and is due"]


@pytest.mark.parametrize(
    "state", [DeliveryState.SKIPPED, DeliveryState.EXHAUSTED, DeliveryState.REJECTED]
)
@pytest.mark.parametrize("taken", [LogEvent.ACCEPTED, LogEvent.DELIVERED, LogEvent.COMPLAINED])
def test_a_resend_explains_an_acceptance_only_while_it_is_under_way(
    delivery: Make, taken: LogEvent, state: DeliveryState
) -> None:
    row = delivery(attempts=1)
    record(row, taken)
    record(row, LogEvent.RESEND)
    assert problems() == []
    row = update(row, state=state, attempts=2, finished_at=timezone.now())
    for event in EVIDENCE[state]:
        record(row, event)
    assert problems() == [f"was accepted according to its log, and is {state}"]


@pytest.mark.parametrize("failed", [LogEvent.BOUNCED, LogEvent.PERMANENT])
@pytest.mark.parametrize("state", [DeliveryState.SKIPPED, DeliveryState.EXHAUSTED])
def test_a_failure_before_a_failed_resend_is_no_discrepancy(
    delivery: Make, state: DeliveryState, failed: LogEvent
) -> None:
    row = delivery(attempts=1)
    for event in (LogEvent.ACCEPTED, failed, LogEvent.RESEND):
        record(row, event)
    row = update(row, state=state, attempts=2, finished_at=timezone.now())
    for event in EVIDENCE[state]:
        record(row, event)
    assert problems() == []


def test_a_row_that_nothing_will_move_is_a_discrepancy(delivery: Make) -> None:
    delivery(next_attempt_at=None)
    delivery(state=DeliveryState.SENDING, lease_until=timezone.now() - timedelta(minutes=5))
    assert problems() == [
        "waits without a time for its next attempt",
        "is held by a worker whose lease is over; is beat running?",
    ]


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (DeliveryState.RETRYING, LogEvent.TRANSIENT),
        (DeliveryState.UNKNOWN, LogEvent.AMBIGUOUS),
    ],
)
def test_a_delivery_that_the_sweeps_missed_is_a_discrepancy(
    delivery: Make, state: DeliveryState, event: LogEvent
) -> None:
    now = timezone.now()
    times = [now - timedelta(minutes=11), now - timedelta(minutes=9), now + timedelta(hours=1)]
    for at in times:
        record(delivery(state=state, next_attempt_at=at), event)
    assert problems() == [
        f"is {state}, and its time was over 10 minutes ago; is beat running?",
    ]


def test_waiting_for_a_person_or_in_a_backlog_is_no_discrepancy(delivery: Make) -> None:
    record(delivery(state=DeliveryState.UNKNOWN, next_attempt_at=None), LogEvent.AMBIGUOUS)
    delivery(next_attempt_at=timezone.now() - timedelta(hours=3))
    assert problems() == []


@pytest.mark.parametrize(
    ("priority", "channel", "missing"),
    [
        (Priority.URGENT, Channel.EMAIL, "e-mail"),
        (Priority.URGENT, Channel.SMS, "text message"),
        (Priority.HIGH, Channel.SMS, "text message"),
        (Priority.MEDIUM, Channel.EMAIL, "e-mail"),
    ],
)
def test_a_notification_without_a_delivery_is_a_discrepancy(
    notify: Any, person: Any, priority: Priority, channel: Channel, missing: str
) -> None:
    [told] = notify(person(), priority=priority)
    [unreachable] = notify(person(contact=False), priority=priority)
    notify(person(), priority=Priority.LOW)
    assert problems() == []
    with rewritable_log():
        for each in (told, unreachable):
            each.deliveries.get(channel=channel).delete()
    problem = f"has no delivery by {missing}, and its priority asks for one"
    assert problems() == [problem] * 2


def test_a_failed_text_without_a_stand_in_is_a_discrepancy(notify: Any, person: Any) -> None:
    [told] = notify(person(sms_opt_in=False), priority=Priority.HIGH)
    assert problems() == []
    with rewritable_log():
        told.deliveries.get(channel=Channel.EMAIL).delete()
    assert problems() == ["is skipped, and no e-mail stands in for it"]


def test_a_second_acceptance_without_a_resend_is_a_discrepancy(delivery: Make) -> None:
    row = delivery(attempts=1)
    attempt(row.pk)
    record(row, LogEvent.ACCEPTED)
    assert problems() == ["was accepted twice, and no policy said to send again"]
    unknown = delivery(Channel.EMAIL, state=DeliveryState.UNKNOWN, attempts=1)
    record(unknown, LogEvent.ACCEPTED)
    settle_unknown(unknown)
    attempt(unknown.pk)
    assert problems() == ["was accepted twice, and no policy said to send again"]
    assert ledger().resent == 2


SENT, RESEND = LogEvent.ACCEPTED, LogEvent.RESEND


@pytest.mark.parametrize(
    ("lines", "balances"),
    [
        ([(1, SENT), (1, SENT), (1, LogEvent.DELIVERED)], True),
        ([(1, RESEND), (2, SENT), (1, SENT), (2, SENT)], True),
        # In between it was given back, or refused.
        ([(2, RESEND), (4, SENT), (1, SENT)], True),
        ([(1, RESEND), (2, SENT), (2, RESEND), (3, SENT), (1, SENT)], True),
        ([(1, RESEND), (2, SENT), (3, SENT), (1, SENT)], False),
        ([(1, RESEND), (1, RESEND), (2, SENT), (3, SENT), (1, SENT)], False),
        ([(1, SENT), (2, SENT), (2, RESEND)], False),
        ([(1, RESEND), (2, SENT), (3, SENT)], False),
    ],
)
def test_each_further_acceptance_needs_its_own_resend(
    delivery: Make, lines: list[tuple[int, LogEvent]], balances: bool
) -> None:
    row = delivery(state=DeliveryState.ACCEPTED, attempts=4, finished_at=timezone.now())
    for attempt_number, event in lines:
        row.attempts = attempt_number
        record(row, event)
    found = [] if balances else ["was accepted twice, and no policy said to send again"]
    assert problems() == found


def test_a_budget_below_the_money_of_its_deliveries_is_a_discrepancy(
    delivery: Make, capsys: Any
) -> None:
    for _ in range(3):
        attempt(delivery(Channel.SMS, Priority.HIGH).pk)
    call_command("ledger")
    assert "US dollars committed for the text messages of " in capsys.readouterr().out
    [month] = ledger().money
    assert month.committed_usd == month.deliveries_usd > 0
    SMSSpend.objects.update(committed_usd=month.committed_usd + 1)
    assert problems() == []
    short = month.committed_usd - Decimal("0.00001")
    SMSSpend.objects.update(committed_usd=short)
    held = f"and its deliveries hold {month.deliveries_usd}"
    assert problems() == [f"has {short} USD committed, {held}"]
    SMSSpend.objects.all().delete()
    assert problems() == [f"has 0 USD committed, {held}"]
    with pytest.raises(SystemExit, match="1"):
        call_command("ledger", "--json")
    [told] = json.loads(capsys.readouterr().out)["money"]
    assert (told["committed_usd"], told["deliveries_usd"]) == ("0", str(month.deliveries_usd))


def test_the_money_is_that_of_the_months_since_then(delivery: Make) -> None:
    attempt(delivery(Channel.SMS, Priority.HIGH).pk)
    Delivery.objects.update(cost_month="2026-10-01")
    since = [datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]
    assert [len(ledger(moment).money) for moment in since] == [1, 0]


@pytest.mark.django_db(transaction=True)
def test_the_money_balances_at_every_moment(delivery: Make) -> None:
    rows = [delivery(Channel.SMS, Priority.HIGH) for _ in range(40)]
    memory.failures.extend([TransientError("busy"), PermanentError("no")] * 5)

    def work(share: list[Delivery]) -> None:
        for row in share:
            attempt(row.pk)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, rows[n::4]) for n in range(4)]
        while not all(each.done() for each in working):
            assert ledger().discrepancies == []
    for each in working:
        each.result()
    assert ledger().discrepancies == []


def test_a_call_after_an_unknown_attempt_counts_as_perhaps_twice(
    delivery: Make,
) -> None:
    memory.failures.append(AmbiguousError("silence"))
    again = delivery()
    attempt(again.pk)
    lost, once = delivery(), delivery()
    settle_unknown(Delivery.objects.get(pk=again.pk))
    assert ledger().perhaps_twice == 0, "not called for again yet"
    held = claimed(lost.pk)
    assert held
    record(held, LogEvent.CALLING)
    record_lost_worker(held, called=True)
    settle_unknown(Delivery.objects.get(pk=lost.pk))
    for row in (again, lost, once):
        attempt(row.pk)
    assert ledger().perhaps_twice == 2
    assert ledger().resent == 0
    assert again.log.get(event=LogEvent.RESEND).source == LogSource.SWEEP


def test_the_command_s_exit_status_tells_the_truth(delivery: Make, capsys: Any) -> None:
    attempt(delivery().pk)
    call_command("ledger")
    output = capsys.readouterr().out
    assert "1  Accepted by the provider" in output
    assert output.endswith("The ledger balances.\n")
    delivery(next_attempt_at=None)
    with pytest.raises(SystemExit, match="1"):
        call_command("ledger", "--json")
    books = json.loads(capsys.readouterr().out)
    assert books["balances"] is False
    assert len(books["discrepancies"]) == 1


def test_since_looks_at_what_was_made_or_has_finished_later(delivery: Make, capsys: Any) -> None:
    long_ago, then = timezone.now() - timedelta(days=40), timezone.now() - timedelta(days=30)
    # No log entry explains either of them.
    for finished_at in (long_ago, then):
        row = delivery(state=DeliveryState.BOUNCED, created_at=long_ago, finished_at=finished_at)
        Notification.objects.filter(pk=row.notification_id).update(created_at=long_ago)
    counts = []
    for since in ("41d", "35d", f"{24 * 20}h", str(then.date())):
        with suppress(SystemExit):
            call_command("ledger", "--since", since, "--json")
        found = json.loads(capsys.readouterr().out)
        counts.append((found["notifications"], found["deliveries"], len(found["discrepancies"])))
    assert counts == [(2, 2, 2), (0, 1, 1), (0, 0, 0), (0, 1, 1)]


def test_since_finds_what_is_stuck_whatever_its_age(delivery: Make) -> None:
    delivery(next_attempt_at=None, created_at="2026-01-01T00:00Z")
    assert [each.problem for each in ledger(timezone.now()).discrepancies] == [
        "waits without a time for its next attempt"
    ]


def test_a_ledger_that_takes_long_names_its_steps_on_stderr(
    db: None, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("ledger", "--json")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(command, "SLOW_S", -1.0)
    call_command("ledger", "--json")
    told = capsys.readouterr()
    assert re.search(r"^ +\d+ s: stuck deliveries$", told.err, re.MULTILINE)
    assert json.loads(told.out)["balances"]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "24", "7w", "999999d"])
def test_an_invalid_date_is_refused_with_an_example(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit):
        execute_from_command_line(["manage.py", "ledger", "--since", text])
    told = capsys.readouterr().err
    assert "argument --since: " in told
    assert "Traceback" not in told
