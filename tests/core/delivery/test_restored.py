from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.core.audit.ledger import ledger
from apps.core.delivery import broker, outcomes, restored, sweeps, transitions
from apps.core.exceptions import AmbiguousError, PermanentError
from apps.core.models import Delivery
from apps.core.reasons import Reason
from apps.core.states import DeliveryState, LogEvent
from tests.support.attempts import claimed

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
Story = Callable[[Delivery], list[str]]


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "workers", lambda: [])


def run(*options: str) -> str:
    printed = StringIO()
    call_command("restored", *options, stdout=printed)
    return printed.getvalue()


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


def test_what_should_have_left_is_left_for_a_person(
    delivery: Make, story: Story, no_worker: None
) -> None:
    due, retrying, held, sending, unknown = (delivery() for _ in range(5))
    Delivery.objects.filter(pk=retrying.pk).update(
        state=DeliveryState.RETRYING, next_attempt_at=ago(minutes=1)
    )
    Delivery.objects.filter(pk=held.pk).update(
        state=DeliveryState.HELD, held_for=Reason.QUIET_HOURS, release_at=ago(minutes=1)
    )
    claimed(sending.pk)
    outcomes.record_outcome(claimed(unknown.pk), AmbiguousError("no answer"))
    rows = [due, retrying, held, sending, unknown]
    assert "5 are left for a person" in run("--yes")
    for row in rows:
        row.refresh_from_db()
        assert (row.state, row.next_attempt_at, row.lease_until) == ("unknown", None, None)
        assert story(row)[-1] == LogEvent.RESTORED
    assert sweeps.due() == []
    assert ledger().balances
    assert "0 are left" in run("--yes")


def test_what_has_time_or_is_over_stays_as_it_is(delivery: Make, no_worker: None) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    delivery(next_attempt_at=tomorrow)
    held, accepted = delivery(), delivery()
    Delivery.objects.filter(pk=held.pk).update(
        state=DeliveryState.HELD, held_for=Reason.QUIET_HOURS, release_at=tomorrow
    )
    Delivery.objects.filter(pk=accepted.pk).update(state=DeliveryState.ACCEPTED)
    before = list(Delivery.objects.order_by("pk").values())
    assert "0 are left" in run("--yes")
    assert list(Delivery.objects.order_by("pk").values()) == before


def test_without_yes_it_only_counts(delivery: Make, story: Story, no_worker: None) -> None:
    row = delivery()
    assert "1 may have been sent" in run()
    row.refresh_from_db()
    assert (row.state, story(row)) == (DeliveryState.DUE, [])


def test_it_refuses_while_workers_run(delivery: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    row = delivery()
    monkeypatch.setattr(broker, "workers", lambda: ["worker@host1"])
    with pytest.raises(CommandError, match="worker@host1"):
        run("--yes")
    row.refresh_from_db()
    assert row.state == DeliveryState.DUE


def test_it_needs_no_redis(delivery: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise redis.ConnectionError("refused")

    delivery()
    monkeypatch.setattr(broker, "workers", fail)
    assert "1 is left" in run("--yes")


def test_a_person_has_it_sent_again_or_marks_it_as_arrived(delivery: Make, story: Story) -> None:
    again, arrived = delivery(), delivery()
    assert restored.leave_for_a_person() == 2
    for row in (again, arrived):
        row.refresh_from_db()
    assert transitions.resend(again, "Sam")
    assert transitions.confirm_arrival(arrived, "Sam")
    assert sweeps.due() == [again]
    assert story(arrived) == [LogEvent.RESTORED, LogEvent.ACCEPTED]
    sent = claimed(again.pk)
    transitions.record_calls([sent], "memory", [])
    assert ledger().perhaps_twice == 1


def test_a_refusal_after_a_restore_says_that_the_message_may_have_arrived(delivery: Make) -> None:
    row = delivery()
    assert restored.leave_for_a_person() == 1
    row.refresh_from_db()
    assert transitions.resend(row, "Sam")
    outcomes.record_outcome(claimed(row.pk), PermanentError("no such mailbox"))
    row.refresh_from_db()
    assert row.state == DeliveryState.REJECTED
    assert row.reason == "no such mailbox (an earlier attempt may have arrived)"
