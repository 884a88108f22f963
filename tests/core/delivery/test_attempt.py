import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.delivery import attempt as attempt_module
from apps.core.delivery import outcomes, transitions
from apps.core.delivery.attempt import claim, claim_probe
from apps.core.delivery.places import Pool
from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    NotCalled,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.guards import circuit_breaker, rate_limit
from apps.core.models import ChannelStop, Contact, Delivery
from apps.core.providers import memory
from apps.core.providers.base import Acceptance
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tests.support.attempts import attempt, claimed, stand_in
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
Story = Callable[[Delivery], list[str]]
EMAILS = Pool(Channel.EMAIL, is_urgent=False)


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


@pytest.mark.parametrize("channel", Channel)
def test_a_due_delivery_is_sent_once_and_the_provider_s_id_is_kept(
    delivery: Make, story: Story, channel: Channel
) -> None:
    row = delivery(channel)
    attempt(row.pk)
    after = fresh(row)
    assert after.state == DeliveryState.ACCEPTED
    assert after.provider_message_id == "memory-1"
    assert after.finished_at
    assert (after.next_attempt_at, after.lease_until) == (None, None)
    assert story(row) == [LogEvent.CALLING, LogEvent.ACCEPTED]
    assert len(memory.emails) + len(memory.texts) == 1


def test_an_email_carries_the_delivery_s_id_and_the_attempt_s_number(delivery: Make) -> None:
    row = delivery()
    attempt(row.pk)
    (mail,) = memory.emails
    assert mail.to == [row.notification.recipient.contact.email]
    assert mail.extra_headers["X-SES-MESSAGE-TAGS"] == f"delivery={row.pk}, attempt=1"


def test_the_same_task_again_sends_nothing(delivery: Make) -> None:
    row = delivery()
    attempt(row.pk)
    attempt(row.pk)
    assert len(memory.emails) == 1


def test_a_delivery_that_is_not_due_yet_is_left_alone(delivery: Make) -> None:
    row = delivery(next_attempt_at=timezone.now() + timedelta(minutes=1))
    attempt(row.pk)
    assert memory.emails == []
    assert fresh(row).state == DeliveryState.DUE


def test_a_delivery_that_is_gone_is_no_error(db: None) -> None:
    attempt(uuid4())
    assert memory.emails == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_call(delivery: Make) -> None:
    rows = [delivery() for _ in range(5)]
    barrier = threading.Barrier(2, timeout=60)

    def work() -> None:
        for row in rows:
            barrier.wait()
            attempt(row.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.emails) == len(rows)


def test_one_attempt_costs_at_most_eight_statements(delivery: Make) -> None:
    row = delivery()
    with CaptureQueriesContext(connection) as captured:
        attempt(row.pk)
    # The first one is the test's own.
    assert len(statements(captured)) <= 1 + 8, statements(captured)


def test_a_transient_refusal_is_due_again_after_its_back_off(delivery: Make, story: Story) -> None:
    row = delivery()
    memory.failures.append(TransientError("Temporary service failure", code="451"))
    attempt(row.pk)
    after = fresh(row)
    assert after.state == DeliveryState.DUE
    assert after.next_attempt_at is not None
    assert after.next_attempt_at <= timezone.now() + timedelta(seconds=5)
    assert story(row) == [LogEvent.CALLING, LogEvent.TRANSIENT]
    line = row.log.last()
    assert line is not None
    assert (line.code, line.detail) == ("451", "Temporary service failure")


def test_a_long_back_off_waits_for_the_slow_sweep(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.core.delivery.retry.random.random", lambda: 1.0)
    row = delivery(failures=9, due_at=timezone.now())
    memory.failures.append(TransientError("busy"))
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.RETRYING


def test_the_second_attempt_of_a_retried_delivery_really_sends(
    delivery: Make, story: Story
) -> None:
    row = delivery()
    memory.failures.append(TransientError("busy"))
    attempt(row.pk)
    Delivery.objects.filter(pk=row.pk).update(next_attempt_at=Now())
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.ACCEPTED
    assert fresh(row).attempts == 2
    assert story(row) == ["calling", "transient", "calling", "accepted"]


def test_a_permanent_refusal_ends_it_with_a_redacted_reason(delivery: Make, story: Story) -> None:
    row = delivery()
    memory.failures.append(PermanentError("no such user jane@fleet.example", code="550"))
    attempt(row.pk)
    after = fresh(row)
    assert after.state == DeliveryState.REJECTED
    assert after.reason == "no such user j***@fleet.example"
    assert story(row) == [LogEvent.CALLING, LogEvent.PERMANENT]


@pytest.mark.parametrize(
    ("priority", "hours", "state"),
    [
        (Priority.URGENT, 3, DeliveryState.DUE),
        (Priority.URGENT, 5, DeliveryState.EXHAUSTED),
        (Priority.MEDIUM, 23, DeliveryState.DUE),
        (Priority.MEDIUM, 25, DeliveryState.EXHAUSTED),
    ],
)
def test_retries_end_with_the_horizon_of_the_priority(
    delivery: Make, priority: Priority, hours: int, state: DeliveryState
) -> None:
    row = delivery(priority=priority, due_at=timezone.now() - timedelta(hours=hours), failures=3)
    memory.failures.append(TransientError("busy"))
    attempt(row.pk)
    assert fresh(row).state == state


def test_no_answer_leaves_it_unknown_until_its_deadline(delivery: Make, story: Story) -> None:
    row = delivery()
    memory.failures.append(AmbiguousError("timed out"))
    attempt(row.pk)
    after = fresh(row)
    assert after.state == DeliveryState.UNKNOWN
    assert after.next_attempt_at is not None
    assert after.next_attempt_at > timezone.now() + timedelta(seconds=110), "that of urgent ones"
    assert story(row) == [LogEvent.CALLING, LogEvent.AMBIGUOUS]


@pytest.mark.parametrize("decided", [DeliveryState.EXHAUSTED, DeliveryState.BOUNCED])
def test_a_late_refusal_undoes_no_decision_made_meanwhile(
    delivery: Make, decided: DeliveryState
) -> None:
    row = claimed(delivery().pk)
    assert row
    Delivery.objects.update(state=decided, next_attempt_at=None)
    outcomes.record_outcome(row, NotCalled("no rate slot in time", is_announced=False))
    outcomes.record_outcome(row, TransientError("busy"))
    assert fresh(row).state == decided


@pytest.mark.parametrize("end", [PermanentError("no such user"), NotSendable("suppressed")])
def test_an_end_does_not_hide_that_an_earlier_attempt_may_have_arrived(
    delivery: Make, end: DeliveryError
) -> None:
    row = delivery()
    memory.failures.extend([AmbiguousError("timed out"), end])
    attempt(row.pk)
    outcomes.settle_unknown(fresh(row))
    attempt(row.pk)
    assert fresh(row).reason == f"{end.detail} (an earlier attempt may have arrived)"


def test_a_waiting_delivery_has_a_reason_until_it_is_accepted(delivery: Make) -> None:
    row = delivery()
    memory.failures.append(TransientError("451 busy"))
    attempt(row.pk)
    assert fresh(row).reason == "451 busy"
    Delivery.objects.update(next_attempt_at=Now())
    attempt(row.pk)
    assert (fresh(row).state, fresh(row).reason) == (DeliveryState.ACCEPTED, "")


def test_an_address_that_became_unusable_is_skipped_with_the_reason(
    delivery: Make, story: Story
) -> None:
    row = delivery()
    contact = row.notification.recipient.contact
    contact.email = "new@fleet.example"
    contact.save()
    attempt(row.pk)
    after = fresh(row)
    assert (after.state, after.reason) == (
        DeliveryState.SKIPPED,
        "e-mail address is not verified",
    )
    assert story(row) == [LogEvent.SKIPPED]
    assert memory.emails == []


def test_staging_skips_a_stranger_and_marks_the_subject_for_the_others(
    delivery: Make, person: Callable[..., User], settings: Any
) -> None:
    settings.ENVIRONMENT = "staging"
    listed = person()
    settings.STAGING_ALLOWED_RECIPIENTS = [listed.contact.email]
    stranger, allowed = delivery(), delivery(recipient=listed)
    attempt(stranger.pk)
    attempt(allowed.pk)
    assert fresh(stranger).state == DeliveryState.SKIPPED
    assert fresh(stranger).reason == "not among the recipients that staging may reach"
    (mail,) = memory.emails
    assert mail.to == [listed.contact.email]
    assert mail.subject.startswith("[staging] ")


@pytest.mark.parametrize("ending", [PermanentError("invalid number"), None])
def test_email_stands_in_for_a_failed_text_that_was_the_only_way(
    delivery: Make, story: Story, ending: PermanentError | None
) -> None:
    row = delivery(Channel.SMS, Priority.HIGH)
    if ending:
        memory.failures.append(ending)
    else:
        row.notification.recipient.contact.sms_opt_in = False
        row.notification.recipient.contact.save()
    attempt(row.pk)
    instead = stand_in(row)
    assert instead
    assert instead.channel == Channel.EMAIL
    assert story(row)[-1] == LogEvent.FALLBACK
    attempt(instead.pk)
    assert fresh(instead).state == DeliveryState.ACCEPTED


def test_no_email_stands_in_if_one_was_sent_already(delivery: Make) -> None:
    row = delivery(Channel.SMS, Priority.URGENT)
    memory.failures.append(PermanentError("invalid number"))
    attempt(row.pk)
    assert stand_in(row) is None


def test_an_acceptance_after_the_lease_still_settles_the_delivery(
    delivery: Make,
) -> None:
    row = delivery()
    slow = claimed(row.pk)
    assert slow is not None
    outcomes.record_lost_worker(slow, called=True)
    outcomes.record_outcome(slow, Acceptance("memory", "late-1"))
    assert fresh(row).state == DeliveryState.ACCEPTED
    assert fresh(row).provider_message_id == "late-1"


def test_an_overtaken_worker_leaves_a_log_entry_and_moves_nothing(
    delivery: Make, story: Story
) -> None:
    row = delivery()
    slow = claimed(row.pk)
    assert slow is not None
    outcomes.record_lost_worker(slow, called=False)
    Delivery.objects.filter(pk=row.pk).update(next_attempt_at=Now())
    claimed(row.pk)
    outcomes.record_outcome(slow, PermanentError("too late"))
    assert fresh(row).state == DeliveryState.SENDING
    assert story(row) == [LogEvent.LOST_BEFORE_CALL, LogEvent.PERMANENT]


def slot_now() -> rate_limit.Answer:
    return rate_limit.Answer([rate_limit.Slot(time.monotonic())], 0)


def overtaken(row: Delivery) -> Delivery:
    """Return the first attempt, as its worker has it: it hung, and the policy sends again."""
    slow = claimed(row.pk)
    assert slow is not None
    transitions.record(slow, LogEvent.CALLING)
    outcomes.record_lost_worker(slow, called=True)
    outcomes.settle_unknown(slow)
    return slow


def test_a_late_acceptance_spares_the_call_of_the_next_attempt(
    delivery: Make, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = delivery()
    slow = overtaken(row)

    def take(*_: Any, **__: Any) -> rate_limit.Answer:
        outcomes.record_outcome(slow, Acceptance("memory", "late-1"))
        return slot_now()

    monkeypatch.setattr(rate_limit, "take", take)
    attempt(row.pk)
    after = fresh(row)
    assert (after.state, after.attempts) == (DeliveryState.ACCEPTED, 2)
    assert after.provider_message_id == "late-1"
    assert story(row) == ["calling", "lost_after_call", "resend", "accepted"]
    assert memory.emails == []


def test_a_late_acceptance_counts_after_the_next_attempt_was_skipped(
    delivery: Make,
) -> None:
    row = delivery()
    slow = overtaken(row)
    Contact.objects.update(verified_email="")
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.SKIPPED
    outcomes.record_outcome(slow, Acceptance("memory", "late-1"))
    assert (fresh(row).state, fresh(row).reason) == (DeliveryState.ACCEPTED, "")


def test_a_delivery_first_tried_after_its_horizon_gets_its_tries(delivery: Make) -> None:
    row = delivery(due_at=timezone.now() - timedelta(days=3))
    memory.failures.append(ThrottledError("Maximum sending rate exceeded", code="454"))
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.DUE


def test_an_answer_that_no_column_can_hold_is_still_recorded(delivery: Make) -> None:
    row = delivery()
    held = claimed(row.pk)
    assert held is not None
    outcomes.record_outcome(held, Acceptance("p" * 50, "x" * 300 + "\0"))
    assert fresh(row).state == DeliveryState.ACCEPTED
    refused = delivery()
    memory.failures.append(PermanentError("no\0 " + "y" * 900, code="5" * 99))
    attempt(refused.pk)
    assert fresh(refused).state == DeliveryState.REJECTED


def test_a_worker_that_wakes_after_its_lease_does_not_call(
    delivery: Make, story: Story, settings: Any
) -> None:
    settings.DELIVERY_LEASE_S = 0
    row = delivery()
    attempt(row.pk)
    assert memory.emails == []
    assert story(row) == [LogEvent.CALLING, LogEvent.NOT_CALLED]
    assert fresh(row).state == DeliveryState.DUE


def test_a_host_suspended_for_longer_than_the_lease_does_not_call(
    delivery: Make, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_gettime = time.clock_gettime
    counts_on = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def suspended(*_: Any, **__: Any) -> rate_limit.Answer:
        monkeypatch.setattr(
            time,
            "clock_gettime",
            lambda clock: clock_gettime(clock) + (3600 if clock == counts_on else 0),
        )
        return slot_now()

    monkeypatch.setattr(rate_limit, "take", suspended)
    row = delivery()
    attempt(row.pk)
    assert memory.emails == []
    assert story(row) == [LogEvent.CALLING, LogEvent.NOT_CALLED]


def test_a_lease_that_ends_in_the_last_wait_prevents_the_call(
    delivery: Make, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_s = 0.0
    uptime = attempt_module._uptime

    def stopped_while_waiting(_: rate_limit.Slot) -> bool:
        nonlocal stopped_s
        stopped_s = 3600.0
        return True

    monkeypatch.setattr(attempt_module, "_uptime", lambda: uptime() + stopped_s)
    monkeypatch.setattr(rate_limit.Slot, "wait", stopped_while_waiting)
    row = delivery()
    attempt(row.pk)
    assert memory.emails == []
    assert story(row) == [LogEvent.CALLING, LogEvent.NOT_CALLED]
    assert (fresh(row).state, fresh(row).failures) == (DeliveryState.DUE, 0)


def test_a_sender_that_cannot_be_used_stops_the_channel_and_ends_nothing(
    delivery: Make, story: Story, settings: Any
) -> None:
    settings.DEFAULT_FROM_NAME = "RS\r\nSystems"
    row = delivery()
    attempt(row.pk)
    assert (fresh(row).state, fresh(row).failures) == (DeliveryState.DUE, 0)
    assert ChannelStop.objects.get().code == "sender"
    assert LogEvent.CALLING not in story(row)


def test_an_address_that_cannot_be_encoded_is_skipped_without_a_call(
    delivery: Make, story: Story, person: Callable[..., User]
) -> None:
    address = "jane@" + "ä" * 70 + ".example"
    row = delivery(recipient=person(email=address, verified_email=address))
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.SKIPPED
    assert "cannot be encoded" in fresh(row).reason
    assert story(row) == [LogEvent.SKIPPED]


# --- Claims --------------------------------------------------------------------------------------


def batch(pool: Pool, limit: int = 32) -> list[Delivery]:
    return [this.delivery for this in claim(pool, limit)]


@pytest.mark.django_db(transaction=True)
def test_the_batches_of_workers_at_once_are_disjoint(delivery: Make) -> None:
    rows = [delivery() for _ in range(40)]
    barrier = threading.Barrier(4, timeout=60)
    found: list[Delivery] = []

    def work() -> None:
        barrier.wait()
        while claimed_now := batch(EMAILS, 4):
            found.extend(claimed_now)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.pk for row in found) == sorted(row.pk for row in rows)
    assert set(Delivery.objects.values_list("state", "attempts")) == {(DeliveryState.SENDING, 1)}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_claim_leaves_what_another_transaction_holds(delivery: Make) -> None:
    held, free = delivery(), delivery()
    found: list[Delivery] = []

    def work() -> None:
        found.extend(batch(EMAILS))
        connection.close()

    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=held.pk)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=60)
        assert found == [free]
    assert batch(EMAILS) == [held]


def test_a_batch_begins_with_the_most_urgent_then_the_oldest(delivery: Make) -> None:
    hours = [timezone.now() - timedelta(hours=n) for n in range(3)]
    low = delivery(priority=Priority.LOW, next_attempt_at=hours[2])
    young = delivery(priority=Priority.MEDIUM, next_attempt_at=hours[0])
    old = delivery(priority=Priority.MEDIUM, next_attempt_at=hours[1])
    high = delivery(priority=Priority.HIGH, next_attempt_at=hours[0])
    assert batch(EMAILS, 2) == [high, old]
    assert batch(EMAILS) == [young, low]
    assert batch(EMAILS) == []


@pytest.mark.parametrize("is_urgent", [True, False])
def test_urgent_ones_are_claimed_one_at_a_time(delivery: Make, is_urgent: bool) -> None:
    pool = Pool(Channel.EMAIL, is_urgent=is_urgent)
    delivery(priority=Priority.MEDIUM)
    urgent = [delivery(priority=Priority.URGENT) for _ in range(2)]
    assert [*batch(pool), *batch(pool)] == urgent


def test_the_pool_of_urgent_ones_has_no_others(delivery: Make) -> None:
    delivery(priority=Priority.HIGH)
    assert batch(Pool(Channel.EMAIL, is_urgent=True)) == []


def test_a_claim_takes_what_is_due_on_its_channel_only(delivery: Make) -> None:
    delivery(Channel.SMS, Priority.HIGH)
    delivery(next_attempt_at=timezone.now() + timedelta(minutes=1))
    held = {"held_for": Reason.QUIET_HOURS, "release_at": timezone.now()}
    for state in set(DeliveryState) - {DeliveryState.DUE}:
        delivery(state=state, **held)
    assert batch(EMAILS) == []


def test_a_stopped_channel_has_a_probe_and_no_batch(delivery: Make) -> None:
    circuit_breaker.stop(Channel.EMAIL, ChannelUnavailableError("credentials", code="535"))
    first, second = delivery(), delivery(priority=Priority.URGENT)
    assert batch(EMAILS) == []
    assert claim_probe(first.pk) is None, "the probe is not due"
    circuit_breaker.probe_now(ChannelStop.objects.all())
    this = claim_probe(first.pk)
    assert this
    assert this.is_probe
    assert claim_probe(second.pk) is None
    assert batch(EMAILS) == []


def test_a_channel_that_runs_has_no_probe(delivery: Make) -> None:
    assert claim_probe(delivery().pk) is None


def test_a_claim_costs_two_statements_whatever_it_takes(delivery: Make) -> None:
    for _ in range(8):
        delivery()
    with CaptureQueriesContext(connection) as captured:
        taken = claim(EMAILS, 8)
        for this in taken:
            assert this.delivery.notification.recipient.contact.email
    assert len(taken) == 8
    assert len(statements(captured)) == 2, statements(captured)
