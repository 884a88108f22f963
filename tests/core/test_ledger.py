import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.core.attempts import attempt, claim
from apps.core.exceptions import AmbiguousError, PermanentError, TransientError
from apps.core.models import Delivery, Notification
from apps.core.outcomes import abandoned, log, settled_by_policy
from apps.core.providers import memory
from apps.core.reports import ledger
from apps.core.states import Channel, DeliveryState, LogEvent

Make = Callable[..., Delivery]


def problems() -> list[str]:
    return [each.problem for each in ledger().discrepancies]


def test_the_books_balance_over_every_way_a_delivery_can_go(
    delivery: Make, notify: Any, person: Any
) -> None:
    for failure in (None, PermanentError("no"), TransientError("busy"), AmbiguousError("silence")):
        if failure:
            memory.failures.append(failure)
        attempt(delivery().pk)
    memory.failures.append(TransientError("busy"))
    attempt(delivery(due_at=timezone.now() - timedelta(days=2), failures=3).pk)
    claim(delivery().pk)
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
    }
    assert books.taken == 1


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (DeliveryState.ACCEPTED, "is accepted, and no line of its log says so"),
        (DeliveryState.SKIPPED, "is skipped, and no line of its log says so"),
        (DeliveryState.UNKNOWN, "is unknown, and no line of its log says so"),
    ],
)
def test_a_state_without_a_line_of_the_log_is_named(
    delivery: Make, state: DeliveryState, problem: str
) -> None:
    delivery(state=state, finished_at=timezone.now())
    assert problems() == [problem]


def test_what_outlived_its_log_is_no_discrepancy(delivery: Make) -> None:
    delivery(state=DeliveryState.ACCEPTED, finished_at=timezone.now() - timedelta(days=91))
    assert problems() == []


def test_an_acceptance_that_the_row_does_not_show_is_named(delivery: Make) -> None:
    log(delivery(), LogEvent.ACCEPTED)
    assert problems() == ["was accepted according to its log, and is due"]


def test_a_row_that_nothing_will_ever_move_is_named(delivery: Make) -> None:
    delivery(next_attempt_at=None)
    delivery(state=DeliveryState.SENDING, lease_until=timezone.now() - timedelta(minutes=5))
    assert problems() == [
        "waits, and nothing says until when",
        "is held by a worker whose lease is over; is beat alive?",
    ]


def test_an_urgent_notification_without_a_delivery_is_named(delivery: Make) -> None:
    delivery().delete()
    assert problems() == ["has no delivery, and its priority asks for one"]


def test_twice_is_counted_and_is_a_discrepancy_without_a_policy(delivery: Make) -> None:
    row = delivery()
    attempt(row.pk)
    log(row, LogEvent.ACCEPTED)
    assert problems() == ["was accepted twice, and no policy said to send again"]
    unknown = delivery(Channel.EMAIL, state=DeliveryState.UNKNOWN)
    log(unknown, LogEvent.ACCEPTED)
    settled_by_policy(unknown)
    attempt(unknown.pk)
    assert problems() == ["was accepted twice, and no policy said to send again"]
    assert ledger().resent == 2


def test_what_was_called_for_again_after_an_unknown_attempt_may_have_arrived_twice(
    delivery: Make,
) -> None:
    memory.failures.append(AmbiguousError("silence"))
    again, lost, once = delivery(), delivery(), delivery()
    attempt(again.pk)
    settled_by_policy(Delivery.objects.get(pk=again.pk))
    assert ledger().perhaps_twice == 0, "not called for again yet"
    claimed = claim(lost.pk)
    assert claimed
    log(claimed, LogEvent.CALLING)
    abandoned(claimed, called=True)
    settled_by_policy(Delivery.objects.get(pk=lost.pk))
    for row in (again, lost, once):
        attempt(row.pk)
    assert ledger().perhaps_twice == 2
    assert ledger().resent == 0
    assert again.log.filter(event=LogEvent.RESEND).get().detail.endswith("it may arrive twice")


def test_the_command_s_exit_status_tells_the_truth(delivery: Make, capsys: Any) -> None:
    attempt(delivery().pk)
    call_command("ledger")
    output = capsys.readouterr().out
    assert "1  Accepted by the provider" in output
    assert output.endswith("The books balance.\n")
    delivery(next_attempt_at=None)
    with pytest.raises(SystemExit, match="1"):
        call_command("ledger", "--json")
    books = json.loads(capsys.readouterr().out)
    assert books["balances"] is False
    assert len(books["discrepancies"]) == 1


def test_since_leaves_out_what_is_older(delivery: Make, capsys: Any) -> None:
    old = delivery(next_attempt_at=None)
    Notification.objects.filter(pk=old.notification_id).update(created_at="2026-01-01T00:00Z")
    call_command("ledger", "--since", "2026-01-02", "--json")
    assert json.loads(capsys.readouterr().out)["deliveries"] == 0


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01"])
def test_a_since_that_is_no_date_is_refused_with_an_example(db: None, text: str) -> None:
    with pytest.raises(CommandError, match="--since"):
        call_command("ledger", "--since", text)
