"""What our own ledger counts, at the ends of a window and within it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.utils import timezone

from apps.aws.reconciliation import tallies
from apps.aws.reconciliation.tallies import Range, Spend, Window
from apps.core.delivery import outcomes, transitions
from apps.core.exceptions import AmbiguousError, NotCalled, TransientError
from apps.core.guards import sms_budget
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent, SMSSpend
from apps.core.providers.base import Acceptance
from apps.core.states import Channel, DeliveryState, EventCause, EventKind, LogEvent
from tests.support.log import rewritable_log

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(hours=25), NOW - timedelta(hours=1))
INSIDE, OUTSIDE = NOW - timedelta(hours=10), NOW - timedelta(minutes=40)
AT_ITS_END, AT_ITS_START = WINDOW.end + timedelta(minutes=5), WINDOW.start + timedelta(minutes=5)
_numbers = count(1)


@pytest.fixture
def called(delivery: Make) -> Callable[..., Delivery]:
    """Make a call at this time, and record its outcome as the engine does."""

    def call(
        at: Any = INSIDE,
        outcome: Callable[[Delivery, str], Any] | None = None,
        *,
        channel: Channel = Channel.EMAIL,
        provider: str = "ses-smtp",
        **values: Any,
    ) -> Delivery:
        row = delivery(channel, state=DeliveryState.SENDING, attempts=1, **values)
        transitions.record(row, LogEvent.CALLING, entry={"provider": provider})
        (outcome or taken)(row, provider)
        with rewritable_log():
            NotificationDeliveryLog.objects.filter(delivery=row).update(at=at)
        row.refresh_from_db()
        return row

    return call


def taken(row: Delivery, provider: str) -> None:
    outcomes.record_outcome(row, Acceptance(provider, f"message-{next(_numbers)}"))


def unanswered(row: Delivery, provider: str) -> None:
    outcomes.record_outcome(row, AmbiguousError("no answer"))


def refused(row: Delivery, provider: str) -> None:
    outcomes.record_outcome(row, TransientError("busy"))


def not_made(row: Delivery, provider: str) -> None:
    outcomes.record_outcome(row, NotCalled("its lease is over", is_announced=True))


def lost(row: Delivery, provider: str) -> None:
    outcomes.record_lost_worker(row, called=True)


def report(kind: EventKind, row: Delivery | None, at: Any = INSIDE, **values: Any) -> ProviderEvent:
    number = next(_numbers)
    event = ProviderEvent.objects.create(
        **{
            "fingerprint": str(number),
            "kind": kind,
            "provider": "ses",
            "provider_message_id": row.provider_message_id if row else f"foreign-{number}",
            "delivery": row,
            "recipient": "jane@fleet.example",
            "occurred_at": at,
            **values,
        }
    )
    ProviderEvent.objects.filter(pk=event.pk).update(received_at=at)
    return event


def test_an_accepted_email_at_an_end_of_the_window_may_be_counted(
    called: Callable[..., Delivery],
) -> None:
    called()
    for at in (AT_ITS_END, AT_ITS_START, OUTSIDE):
        called(at)
    assert tallies.accepted_emails(WINDOW) == Range(1, 3)


def test_an_unanswered_call_may_be_counted_and_one_refused_or_not_made_is_not(
    called: Callable[..., Delivery],
) -> None:
    for outcome in (unanswered, lost, refused, not_made):
        called(INSIDE, outcome)
    assert tallies.accepted_emails(WINDOW) == Range(0, 2)


def test_an_attempt_counts_once_though_its_event_came_before_its_answer(
    called: Callable[..., Delivery],
) -> None:
    row = called()
    transitions.record(
        row, LogEvent.ACCEPTED, entry={"provider": "ses", "provider_message_id": "same"}
    )
    row.attempts = 2
    transitions.record(row, LogEvent.CALLING, entry={"provider": "ses-smtp"})
    transitions.record(
        row, LogEvent.ACCEPTED, entry={"provider": "ses-smtp", "provider_message_id": "second"}
    )
    with rewritable_log():
        NotificationDeliveryLog.objects.update(at=INSIDE)
    assert tallies.accepted_emails(WINDOW) == Range(2, 2)


def test_texts_the_console_s_and_what_a_person_says_arrived_are_not_ses_s(
    called: Callable[..., Delivery],
) -> None:
    called(channel=Channel.SMS, provider="sns")
    called(provider="console")
    row = called(INSIDE, refused)
    transitions.record(row, LogEvent.ACCEPTED, entry={"detail": "by jane"})
    assert tallies.accepted_emails(WINDOW) == Range(0, 0)
    assert tallies.accepted_texts(WINDOW) == 1


def test_mail_to_ses_s_simulator_may_be_counted_or_not(called: Callable[..., Delivery]) -> None:
    called()
    simulated = called()
    report(EventKind.SENT, simulated, is_simulated=True)
    report(EventKind.BOUNCED, simulated, is_simulated=True)
    assert tallies.accepted_emails(WINDOW) == Range(1, 2)
    assert tallies.emails_with_event(EventKind.BOUNCED, WINDOW) == Range(0, 1)


def test_events_are_counted_by_their_messages_once_each(called: Callable[..., Delivery]) -> None:
    row = called()
    for _ in range(2):
        report(EventKind.DELIVERED, row)
    report(EventKind.DELIVERED, called(), AT_ITS_END)
    report(EventKind.DELIVERED, called(), OUTSIDE)
    report(EventKind.DELIVERED, None)
    report(EventKind.BOUNCED, row)
    assert tallies.emails_with_event(EventKind.DELIVERED, WINDOW) == Range(1, 3)


def test_bounces_of_a_suppression_list_may_be_counted_or_not(
    called: Callable[..., Delivery],
) -> None:
    report(EventKind.BOUNCED, called(), cause=EventCause.OWN_LIST)
    report(EventKind.BOUNCED, called(), code="Permanent General")
    assert tallies.emails_with_event(EventKind.BOUNCED, WINDOW) == Range(1, 2)


def test_foreign_emails_are_counted_by_their_sent_event_alone(
    called: Callable[..., Delivery],
) -> None:
    report(EventKind.SENT, called())
    report(EventKind.SENT, None)
    report(EventKind.DELIVERED, None)
    report(EventKind.SENT, None, OUTSIDE)
    assert tallies.foreign_emails(WINDOW) == 1


def test_what_has_no_end_may_have_any(called: Callable[..., Delivery]) -> None:
    report(EventKind.DELIVERED, called())
    report(EventKind.SENT, called())
    called()
    called(INSIDE, unanswered)
    assert tallies.emails_without_end(WINDOW) == 3


def test_messages_without_an_event_or_an_end_are_named_oldest_first(
    called: Callable[..., Delivery],
) -> None:
    younger, older = called(), called(INSIDE - timedelta(hours=1))
    sent = called()
    report(EventKind.SENT, sent)
    report(EventKind.DELIVERED, called())
    called(OUTSIDE)
    silent = tallies.without_event(Channel.EMAIL, WINDOW)
    assert list(silent.values()) == [older.pk, younger.pk]
    endless = tallies.without_event(Channel.EMAIL, WINDOW, *tallies.ENDS)
    assert set(endless.values()) == {older.pk, younger.pk, sent.pk}


def test_an_event_counts_also_before_it_has_found_its_delivery(
    called: Callable[..., Delivery],
) -> None:
    report(EventKind.SENT, None, provider_message_id=called().provider_message_id)
    assert tallies.without_event(Channel.EMAIL, WINDOW) == {}


def test_a_provider_that_gives_no_ids_is_not_missed_anything_of(
    called: Callable[..., Delivery],
) -> None:
    def nameless(row: Delivery, provider: str) -> None:
        outcomes.record_outcome(row, Acceptance(provider))

    called(INSIDE, nameless)
    assert tallies.without_event(Channel.EMAIL, WINDOW) == {}


def test_a_receipt_counts_surely_if_its_call_and_arrival_are_in_the_window(
    called: Callable[..., Delivery],
) -> None:
    def receipt(occurred: Any, received: Any, row: Delivery | None) -> None:
        event = report(EventKind.DELIVERED, row, occurred, provider="sns")
        ProviderEvent.objects.filter(pk=event.pk).update(received_at=received)

    def text() -> Delivery:
        return called(channel=Channel.SMS, provider="sns")

    receipt(INSIDE, INSIDE, text())
    receipt(WINDOW.start - timedelta(hours=5), INSIDE, text())
    receipt(INSIDE, OUTSIDE, text())
    receipt(INSIDE, INSIDE, None)
    receipt(OUTSIDE, OUTSIDE, text())
    assert tallies.texts_with_receipt(EventKind.DELIVERED, WINDOW) == Range(1, 4)


def test_events_that_fit_no_delivery_are_counted_by_messages(
    called: Callable[..., Delivery],
) -> None:
    for kind in (EventKind.SENT, EventKind.DELIVERED):
        report(kind, None, provider_message_id="one")
    report(EventKind.SENT, None, provider_message_id="two")
    report(EventKind.SENT, called())
    report(EventKind.DELIVERED, None, provider="sns")
    assert tallies.count_messages(tallies.foreign_events("ses", WINDOW)) == 2
    assert tallies.count_messages(tallies.foreign_events("sns", WINDOW)) == 1


def test_the_month_s_money_has_an_unconfirmed_and_a_foreign_part(
    called: Callable[..., Delivery],
) -> None:
    month = sms_budget.this_month()
    SMSSpend.objects.create(month=month, committed_usd=Decimal("0.03"))
    paid, owed = (
        called(channel=Channel.SMS, provider="sns", cost_usd=Decimal("0.00645"), cost_month=month)
        for _ in range(2)
    )
    price = {"provider": "sns", "price_usd": Decimal("0.00645")}
    report(EventKind.DELIVERED, paid, timezone.now(), **price)
    report(EventKind.DELIVERED, None, timezone.now(), **price)
    report(EventKind.DELIVERED, owed, timezone.now(), provider="sns")
    found = tallies.spend()
    assert found == Spend(Decimal("0.03"), Decimal("0.00645"), Decimal("0.00645"))


def test_a_month_without_a_text_has_no_money(db: None) -> None:
    assert tallies.spend() == Spend(Decimal(0), Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("count", "text"), [(Range(3, 3), "3"), (Range(1_000, 1_004), "1,000 to 1,004")]
)
def test_a_range_of_one_number_reads_as_that_number(count: Range, text: str) -> None:
    assert str(count) == text
