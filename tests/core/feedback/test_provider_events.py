"""Reports of the provider applied to the rows, in whatever order they come."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count, permutations
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.core import tasks
from apps.core.audit.ledger import ledger
from apps.core.delivery import broker, cleanup, outcomes, sweeps, transitions
from apps.core.exceptions import AmbiguousError, PermanentError, TransientError
from apps.core.feedback import provider_events
from apps.core.models import Contact, Delivery, ProviderEvent
from apps.core.providers import memory
from apps.core.providers.base import Acceptance
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, EventKind, LogEvent, Priority
from tests.support.attempts import attempt, claimed
from tests.support.ses_events import BOUNCE, COMPLAINT, DELIVERY, mail
from tests.support.signing import Signer

pytestmark = [pytest.mark.usefixtures("fetched"), pytest.mark.sqlite]

Make = Callable[..., Delivery]
Story = Callable[[Delivery], list[str]]
_numbers = count(1)

SENT, DELIVERED, BOUNCED = EventKind.SENT, EventKind.DELIVERED, EventKind.BOUNCED
COMPLAINED, REJECTED, DELAYED = EventKind.COMPLAINED, EventKind.REJECTED, EventKind.DELAYED
REPLIED = EventKind.REPLIED


@pytest.fixture(autouse=True)
def broker_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "waiting", lambda: dict.fromkeys(Priority, 0))


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def an_event(
    row: Delivery | None, kind: EventKind, number: int = 1, **values: Any
) -> ProviderEvent:
    """Return an event of the delivery's attempt of that number, by our tags."""
    fields = {
        "fingerprint": str(next(_numbers)),
        "kind": kind,
        "provider": "ses",
        "provider_message_id": f"ses-{number}",
        "delivery_ref": row and row.pk,
        "attempt": number if row else None,
        "occurred_at": timezone.now(),
    }
    return ProviderEvent(**{**fields, **values})


def receive(row: Delivery | None, *kinds: EventKind, **values: Any) -> list[Delivery]:
    return provider_events.receive([an_event(row, kind, **values) for kind in kinds])


def accepted(make: Make, *arguments: Any, **values: Any) -> Delivery:
    row = make(*arguments, **values)
    attempt(row.pk)
    return row


def claimed_again(delivery: Make) -> tuple[Delivery, Delivery]:
    """Return a delivery whose first attempt had no answer, and its second, not called yet."""
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    outcomes.settle_unknown(fresh(row))
    second = claimed(row.pk)
    assert second
    return row, second


@pytest.mark.parametrize(
    ("kinds", "state", "lines"),
    [
        ([SENT], "accepted", []),
        ([SENT, DELIVERED], "delivered", ["delivered"]),
        ([DELAYED, DELIVERED], "delivered", ["delayed", "delivered"]),
        ([BOUNCED], "bounced", ["bounced"]),
        ([DELIVERED, BOUNCED], "bounced", ["delivered", "bounced"]),
        ([BOUNCED, DELIVERED], "bounced", ["bounced", "delivered"]),
        ([DELIVERED, COMPLAINED], "complained", ["delivered", "complained"]),
        (
            [COMPLAINED, BOUNCED, DELIVERED, SENT],
            "complained",
            ["complained", "bounced", "delivered"],
        ),
        ([REJECTED, SENT], "rejected", ["permanent"]),
        ([DELIVERED, DELAYED], "delivered", ["delivered", "delayed"]),
        ([DELIVERED, REPLIED], "delivered", ["delivered", "replied"]),
        ([REPLIED, DELIVERED], "delivered", ["replied", "delivered"]),
    ],
)
def test_an_event_moves_a_delivery_forward_and_never_back(
    delivery: Make, story: Story, kinds: list[EventKind], state: str, lines: list[str]
) -> None:
    row = accepted(delivery)
    receive(row, *kinds)
    assert fresh(row).state == state
    assert story(row)[2:] == lines
    assert ledger().discrepancies == []


@pytest.mark.parametrize("order", list(permutations([SENT, DELIVERED, BOUNCED, COMPLAINED])))
def test_the_same_events_in_any_order_end_in_the_same_state(
    delivery: Make, order: tuple[EventKind, ...]
) -> None:
    row = accepted(delivery)
    receive(row, *order)
    assert fresh(row).state == DeliveryState.COMPLAINED


def test_the_same_event_twice_is_one(delivery: Make, story: Story) -> None:
    row = accepted(delivery)
    receive(row, DELIVERED, DELIVERED, fingerprint="the same")
    assert ProviderEvent.objects.count() == 1
    assert story(row)[2:] == ["delivered"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [(SENT, "accepted"), (DELIVERED, "delivered"), (BOUNCED, "bounced"), (REJECTED, "rejected")],
)
def test_an_event_settles_an_unknown_delivery_and_it_is_not_resent(
    delivery: Make, story: Story, kind: EventKind, state: str
) -> None:
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    assert fresh(row).state == DeliveryState.UNKNOWN
    receive(row, kind)
    after = fresh(row)
    assert (after.state, after.next_attempt_at) == (state, None)
    assert (after.provider, after.provider_message_id) == ("ses", "ses-1")
    Delivery.objects.update(next_attempt_at=None)
    assert sweeps.due() == []
    assert ledger().discrepancies == []


def test_a_delay_proves_acceptance_and_nothing_is_resent(delivery: Make, story: Story) -> None:
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    receive(row, DELAYED, DELAYED, code="MailboxFull", detail="452 mailbox is full")
    assert (fresh(row).state, fresh(row).reason) == (DeliveryState.ACCEPTED, "")
    Delivery.objects.filter(state=DeliveryState.UNKNOWN).update(next_attempt_at=timezone.now())
    assert sweeps.due() == []
    attempt(row.pk)
    assert memory.emails == []
    assert story(row) == ["calling", "ambiguous", "accepted", "delayed", "delayed"]
    assert list(row.log.exclude(code="").values_list("event", flat=True)) == ["delayed"] * 2
    assert ledger().discrepancies == []
    receive(row, SENT, BOUNCED)
    assert fresh(row).state == DeliveryState.BOUNCED
    assert story(row)[5:] == ["bounced"]


def test_an_event_settles_a_delivery_whose_worker_was_lost(delivery: Make) -> None:
    row = claimed(delivery().pk)
    assert row
    transitions.record(row, LogEvent.CALLING)
    outcomes.record_lost_worker(row, called=True)
    receive(row, SENT)
    assert fresh(row).state == DeliveryState.ACCEPTED


def test_the_answer_does_not_undo_an_event_that_came_before_it(
    delivery: Make, story: Story
) -> None:
    row = claimed(delivery().pk)
    assert row
    transitions.record(row, LogEvent.CALLING)
    receive(row, SENT, DELIVERED)
    assert fresh(row).state == DeliveryState.DELIVERED
    outcomes.record_outcome(row, Acceptance("ses-smtp", "ses-1"))
    assert fresh(row).state == DeliveryState.DELIVERED
    assert story(row) == ["calling", "accepted", "delivered", "accepted"]
    assert ledger().discrepancies == []
    assert ledger().resent == 0


@pytest.mark.parametrize("outcome", ["no answer", "lost"])
def test_an_event_before_a_call_without_answer_leaves_nothing_unknown(
    delivery: Make, outcome: str
) -> None:
    row = claimed(delivery().pk)
    assert row
    transitions.record(row, LogEvent.CALLING)
    receive(row, SENT)
    if outcome == "lost":
        outcomes.record_lost_worker(row, called=True)
    else:
        outcomes.record_outcome(row, AmbiguousError("no answer"))
    assert fresh(row).state == DeliveryState.ACCEPTED


def test_an_event_after_the_resend_takes_the_delivery_out_of_the_queue(
    delivery: Make,
) -> None:
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    outcomes.settle_unknown(fresh(row))
    assert fresh(row).state == DeliveryState.DUE
    receive(row, DELIVERED)
    assert fresh(row).state == DeliveryState.DELIVERED
    attempt(row.pk)
    assert memory.emails == []


def test_an_event_while_the_second_attempt_waits_spares_the_call(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.core.guards import rate_limit

    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    outcomes.settle_unknown(fresh(row))

    def take(*_: Any, **__: Any) -> rate_limit.Answer:
        receive(row, DELIVERED)
        return rate_limit.Answer([rate_limit.Slot(time.monotonic())], 0)

    monkeypatch.setattr(rate_limit, "take", take)
    attempt(row.pk)
    assert memory.emails == []
    assert fresh(row).state == DeliveryState.DELIVERED


def test_a_late_event_of_attempt_1_settles_an_unknown_attempt_2(
    delivery: Make,
) -> None:
    memory.failures.extend([AmbiguousError("no answer"), AmbiguousError("no answer")])
    row = accepted(delivery)
    outcomes.settle_unknown(fresh(row))
    attempt(row.pk)
    receive(row, DELIVERED, number=1)
    assert fresh(row).state == DeliveryState.DELIVERED


def test_bad_news_of_attempt_1_does_not_end_an_unknown_attempt_2(
    delivery: Make,
) -> None:
    memory.failures.extend([AmbiguousError("no answer"), AmbiguousError("no answer")])
    row = accepted(delivery)
    outcomes.settle_unknown(fresh(row))
    attempt(row.pk)
    receive(row, BOUNCED, number=1)
    assert fresh(row).state == DeliveryState.UNKNOWN
    receive(row, DELIVERED, number=2)
    assert fresh(row).state == DeliveryState.DELIVERED


def test_the_answer_does_not_undo_a_rejection_that_came_before_it(delivery: Make) -> None:
    row = claimed(delivery().pk)
    assert row
    transitions.record(row, LogEvent.CALLING)
    receive(row, SENT, REJECTED)
    outcomes.record_outcome(row, Acceptance("ses-smtp", "ses-1"))
    assert fresh(row).state == DeliveryState.REJECTED


def test_a_refusal_of_attempt_2_does_not_undo_an_accepted_attempt_1(
    delivery: Make,
) -> None:
    row, second = claimed_again(delivery)
    receive(row, SENT, number=1)
    outcomes.record_outcome(second, PermanentError("no such user"))
    assert fresh(row).state == DeliveryState.ACCEPTED


def test_an_event_that_comes_again_with_our_tags_finds_its_delivery(
    delivery: Make,
) -> None:
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    receive(None, DELIVERED, fingerprint="the same", provider_message_id="ses-1")
    assert fresh(row).state == DeliveryState.UNKNOWN
    receive(row, DELIVERED, fingerprint="the same")
    assert fresh(row).state == DeliveryState.DELIVERED
    assert ProviderEvent.objects.count() == 1


def test_without_our_tags_an_event_is_of_the_attempt_with_its_id(delivery: Make) -> None:
    row = accepted(delivery)
    message_id = fresh(row).provider_message_id
    receive(row, BOUNCED, provider_message_id=message_id)
    transitions.resend(fresh(row), "office")
    second = claimed(row.pk)
    assert second
    receive(None, DELIVERED, provider_message_id=message_id)
    assert fresh(row).state == DeliveryState.SENDING
    line = row.log.order_by("-id").first()
    assert line
    assert (line.event, line.attempt) == ("delivered", 1)


def test_an_event_that_fails_to_match_stops_no_other(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DataError

    receive(None, DELIVERED, provider_message_id="memory-1")
    receive(None, DELIVERED, provider_message_id="memory-2")
    rows = [accepted(delivery) for _ in range(2)]
    apply = provider_events._apply

    def sometimes(event: ProviderEvent) -> Delivery | None:
        if event.provider_message_id == "memory-1":
            raise DataError("poison")
        return apply(event)

    monkeypatch.setattr(provider_events, "_apply", sometimes)
    provider_events.match_waiting()
    assert [fresh(row).state for row in rows] == [DeliveryState.ACCEPTED, DeliveryState.DELIVERED]


def test_an_envelope_is_stored_whole_or_not_at_all(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    rows = [accepted(delivery) for _ in range(2)]
    events = [an_event(row, DELIVERED) for row in rows]
    apply = provider_events._apply

    def second_fails(each: ProviderEvent) -> Delivery | None:
        if each.delivery_ref == rows[1].pk:
            raise OperationalError("the database went away")
        return apply(each)

    monkeypatch.setattr(provider_events, "_apply", second_fails)
    with pytest.raises(OperationalError):
        provider_events.receive(events)
    assert not ProviderEvent.objects.exists()
    assert fresh(rows[0]).state == DeliveryState.ACCEPTED


def test_bad_news_of_attempt_1_does_not_end_attempt_2(delivery: Make) -> None:
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery)
    outcomes.settle_unknown(fresh(row))
    attempt(row.pk)
    receive(row, BOUNCED, number=1)
    assert fresh(row).state == DeliveryState.ACCEPTED
    receive(row, DELIVERED, number=2)
    assert fresh(row).state == DeliveryState.DELIVERED


def test_an_exhausted_delivery_that_had_arrived_is_delivered(delivery: Make) -> None:
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(delivery, due_at=timezone.now() - timedelta(days=2), failures=3)
    Delivery.objects.update(state=DeliveryState.DUE, next_attempt_at=timezone.now())
    memory.failures.append(TransientError("busy"))
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.EXHAUSTED
    receive(row, DELIVERED, number=1)
    assert fresh(row).state == DeliveryState.DELIVERED


def sent_again_in_vain(make: Make, end: DeliveryState) -> Delivery:
    """Return a delivery of which both attempts were of unknown outcome."""
    memory.failures.append(AmbiguousError("no answer"))
    row = accepted(make)
    outcomes.settle_unknown(fresh(row))
    if end == DeliveryState.SKIPPED:
        Contact.objects.update(verified_email="")
    else:
        Delivery.objects.update(due_at=timezone.now() - timedelta(days=2), failures=3)
        memory.failures.append(TransientError("busy"))
    attempt(row.pk)
    assert fresh(row).state == end
    return row


@pytest.mark.parametrize("end", [DeliveryState.SKIPPED, DeliveryState.EXHAUSTED])
@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ([SENT], "accepted"),
        ([DELIVERED, SENT], "delivered"),
        ([BOUNCED], "bounced"),
        ([SENT, BOUNCED], "bounced"),
        ([DELIVERED, BOUNCED], "bounced"),
        ([COMPLAINED, DELIVERED], "complained"),
        ([REJECTED, SENT], "rejected"),
        ([SENT, REJECTED], "rejected"),
    ],
)
def test_an_event_of_attempt_1_counts_if_attempt_2_was_not_accepted(
    delivery: Make, end: DeliveryState, kinds: list[EventKind], state: str
) -> None:
    row = sent_again_in_vain(delivery, end)
    receive(row, *kinds, number=1)
    after = fresh(row)
    assert (after.state, after.reason) == (state, "")
    assert ledger().discrepancies == []


def test_a_delivery_that_had_arrived_is_not_resent(delivery: Make) -> None:
    row = sent_again_in_vain(delivery, DeliveryState.SKIPPED)
    receive(row, SENT, DELIVERED, number=1)
    assert not transitions.resend(fresh(row), "office")


def test_a_late_answer_settles_a_delivery_that_was_not_resent(delivery: Make) -> None:
    row = claimed(delivery().pk)
    assert row
    transitions.record(row, LogEvent.CALLING)
    outcomes.record_lost_worker(row, called=True)
    outcomes.settle_unknown(fresh(row))
    assert transitions.skip_due(fresh(row), "its channel is stopped", Reason.CHANNEL_STOPPED)
    outcomes.record_outcome(row, Acceptance("ses-smtp", "ses-1"))
    after = fresh(row)
    assert (after.state, after.reason) == (DeliveryState.ACCEPTED, "")
    assert ledger().discrepancies == []


def test_bad_news_of_attempt_1_does_not_end_a_called_attempt_2(
    delivery: Make,
) -> None:
    row, second = claimed_again(delivery)
    transitions.record(second, LogEvent.CALLING)
    receive(row, DELIVERED, BOUNCED, number=1)
    assert fresh(row).state == DeliveryState.DELIVERED
    receive(row, DELIVERED, number=2)
    assert fresh(row).state == DeliveryState.DELIVERED


def test_late_news_of_a_bounce_does_not_stop_a_person_s_resend(
    delivery: Make,
) -> None:
    row = accepted(delivery)
    receive(row, BOUNCED)
    assert transitions.resend(fresh(row), "office")
    receive(row, DELIVERED, BOUNCED, SENT)
    assert fresh(row).state == DeliveryState.DUE
    attempt(row.pk)
    receive(row, DELIVERED, number=2)
    assert fresh(row).state == DeliveryState.DELIVERED


def test_a_bounce_says_why(delivery: Make) -> None:
    row = accepted(delivery)
    receive(row, BOUNCED, code="Permanent General", detail="550 5.1.1 <jane@fleet.example> unknown")
    assert fresh(row).reason == "550 5.1.1 <j***@fleet.example> unknown"
    line = row.log.last()
    assert line
    assert (line.code, line.detail) == ("Permanent General", fresh(row).reason)


def test_an_email_stands_in_for_a_text_that_could_not_be_delivered(
    delivery: Make, story: Story
) -> None:
    row = accepted(delivery, Channel.SMS, Priority.HIGH)
    message_id = fresh(row).provider_message_id
    (instead,) = provider_events.receive([an_event(None, BOUNCED, provider_message_id=message_id)])
    assert (instead.channel, instead.notification_id) == (Channel.EMAIL, row.notification_id)
    assert story(row)[2:] == ["bounced", "fallback"]
    assert ledger().discrepancies == []


def test_without_our_tags_the_provider_s_id_finds_the_delivery(delivery: Make) -> None:
    row = accepted(delivery)
    receive(None, DELIVERED, provider_message_id=fresh(row).provider_message_id)
    assert fresh(row).state == DeliveryState.DELIVERED


def test_the_sweep_matches_an_event_that_came_before_the_message_id(
    delivery: Make, woken: list[Any]
) -> None:
    receive(None, DELIVERED, provider_message_id="memory-1")
    row = accepted(delivery)
    assert fresh(row).state == DeliveryState.ACCEPTED
    tasks.dispatch_due_notifications()
    assert fresh(row).state == DeliveryState.DELIVERED
    assert ProviderEvent.objects.get().delivery == row
    assert provider_events.match_waiting() == []


@pytest.mark.parametrize("age", [timedelta(), timedelta(hours=2)])
def test_an_event_of_another_sender_s_message_moves_nothing(delivery: Make, age: timedelta) -> None:
    row = accepted(delivery)
    receive(None, BOUNCED, provider_message_id="foreign")
    ProviderEvent.objects.update(received_at=timezone.now() - age)
    assert provider_events.match_waiting() == []
    assert ProviderEvent.objects.get().delivery is None
    assert fresh(row).state == DeliveryState.ACCEPTED


def test_an_event_without_an_id_matches_nothing(delivery: Make) -> None:
    row = delivery()
    receive(None, DELIVERED, provider_message_id="")
    assert fresh(row).state == DeliveryState.DUE
    assert provider_events.match_waiting() == []


@pytest.mark.django_db(transaction=True)
def test_two_events_at_once_are_applied_one_after_the_other(delivery: Make) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    row = accepted(delivery)
    together = Barrier(4, timeout=60)

    def tell(kind: EventKind) -> None:
        together.wait()
        receive(row, kind)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, [DELIVERED, BOUNCED, COMPLAINED, DELIVERED]))
    assert fresh(row).state == DeliveryState.COMPLAINED
    assert ProviderEvent.objects.filter(delivery=row).count() == 4


def test_the_clean_up_deletes_old_events_with_the_log(delivery: Make, settings: Any) -> None:
    row = accepted(delivery)
    receive(row, SENT, DELIVERED)
    old = ProviderEvent.objects.filter(kind=SENT)
    old.update(
        received_at=timezone.now() - timedelta(days=settings.DELIVERY_LOG_RETENTION_DAYS + 1)
    )
    cleanup.clean_up()
    assert [each.kind for each in ProviderEvent.objects.all()] == [DELIVERED]


def event(row: Delivery, name: str, key: str, said: dict[str, Any]) -> str:
    tags = {"delivery": [str(row.pk)], "attempt": ["1"]}
    return json.dumps({"eventType": name, "mail": mail(tags=tags), key: said})


def test_an_event_that_ses_publishes_reaches_its_delivery(
    delivery: Make,
    story: Story,
    signer: Signer,
    post: Callable[..., Any],
) -> None:
    row = accepted(delivery)
    body = signer.notification(event(row, "Delivery", "delivery", DELIVERY))
    assert post(body).status_code == 200
    assert fresh(row).state == DeliveryState.DELIVERED
    assert post(body).content == b"known already\n"
    again = signer.notification(event(row, "Delivery", "delivery", DELIVERY))
    assert post(again).status_code == 200
    post(signer.notification(event(row, "Bounce", "bounce", BOUNCE)))
    post(signer.notification(event(row, "Complaint", "complaint", COMPLAINT)))
    assert fresh(row).state == DeliveryState.COMPLAINED
    assert story(row)[2:] == ["delivered", "bounced", "complained"]


def test_the_webhook_stores_a_bounce_with_half_an_emoji(
    delivery: Make, signer: Signer, post: Callable[..., Any]
) -> None:
    row = accepted(delivery)
    text = event(row, "Bounce", "bounce", BOUNCE).replace("user unknown", "no \\ud83d mailbox")
    assert post(signer.notification(text)).status_code == 200
    assert fresh(row).state == DeliveryState.BOUNCED
    assert fresh(row).reason.endswith("no \ufffd mailbox")


def test_the_message_with_which_ses_tests_a_topic_changes_nothing(
    signer: Signer,
    post: Callable[..., Any],
) -> None:
    text = "Successfully validated SNS topic for Amazon SES event publishing."
    assert post(signer.notification(text)).status_code == 200
    assert not ProviderEvent.objects.exists()


def test_sns_is_asked_to_repeat_what_could_not_be_stored(
    delivery: Make,
    signer: Signer,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.db import OperationalError

    row = accepted(delivery)

    def broken(_: Any) -> None:
        raise OperationalError("the database went away")

    body = signer.notification(event(row, "Delivery", "delivery", DELIVERY))
    with monkeypatch.context() as patch:
        patch.setattr(provider_events, "_apply", broken)
        assert client.post("/webhooks/aws/sns", body, content_type="text/plain").status_code == 503
    assert not ProviderEvent.objects.exists(), "the row went with the transaction"
    assert client.post("/webhooks/aws/sns", body, content_type="text/plain").status_code == 200
    assert fresh(row).state == DeliveryState.DELIVERED


def test_a_bounce_at_the_endpoint_wakes_a_worker_for_the_stand_in(
    delivery: Make,
    signer: Signer,
    post: Callable[..., Any],
    woken: list[Any],
) -> None:
    row = accepted(delivery, Channel.SMS, Priority.HIGH)
    post(signer.notification(event(row, "Bounce", "bounce", BOUNCE)))
    assert [name for name, _ in woken] == ["apps.core.tasks.send_notification_email"]
