import threading
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import tasks
from apps.core.audit.alarms import telling, watch
from apps.core.audit.ledger import ledger
from apps.core.channels.email import EmailService
from apps.core.delivery import outcomes, sweeps, transitions
from apps.core.exceptions import (
    AmbiguousError,
    BudgetExhausted,
    DeliveryError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.guards import rate_limit, sms_budget
from apps.core.models import Alarm, Delivery, SMSSpend
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tests.support.attempts import attempt, claimed, stand_in
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
ONE = Decimal("0.00645")
NOVEMBER = date(2026, 11, 1)


@pytest.fixture(autouse=True)
def november(quiet_alarms: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SMS_PRICES_USD = {"US": ONE, "GB": Decimal("0.04")}
    settings.SMS_MAX_PRICE_USD = Decimal("0.50")
    settings.SMS_URGENT_RESERVE = Decimal(0)
    monkeypatch.setattr(sms_budget, "this_month", lambda: NOVEMBER)
    # One part each, whatever the templates say.
    monkeypatch.setattr("apps.core.channels.sms.SMSService.weight", lambda *_: 1)


def text(delivery: Make, priority: Priority = Priority.URGENT, **values: Any) -> Delivery:
    return delivery(Channel.SMS, priority, **values)


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def held(row: Delivery) -> tuple[Decimal | None, date | None]:
    after = fresh(row)
    return after.cost_usd, after.cost_month


def committed(month: date = NOVEMBER) -> Decimal:
    return SMSSpend.objects.get(month=month).committed_usd


def reserved(row: Delivery) -> Delivery:
    """Return the delivery as a worker has it that has reserved its money and not called yet."""
    mine = claimed(row.pk)
    assert mine is not None
    assert sms_budget.reserve(mine, ONE)
    return mine


def at_once(workers: int, work: Callable[[int], object]) -> None:
    """Have so many workers, by their numbers, do this from the same moment on."""
    barrier = threading.Barrier(workers)

    def begin(number: int) -> None:
        connection.ensure_connection()
        barrier.wait(timeout=30)
        work(number)
        connection.close()

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def attempt_at_once(workers: int, rows: list[Delivery]) -> None:
    def work(number: int) -> None:
        for row in rows[number::workers]:
            attempt(row.pk)

    at_once(workers, work)


@pytest.mark.parametrize(
    ("number", "parts", "dollars"),
    [
        ("+12025550123", 1, "0.00645"),
        ("+12025550123", 3, "0.01935"),
        ("+442079460018", 2, "0.08"),
        ("+14165550123", 1, "0.50"),
        ("+4915112345678", 2, "1.00"),
        ("+999123", 1, "0.50"),
    ],
    ids=["home", "three parts", "abroad", "same code", "not in the table", "no country"],
)
def test_a_message_costs_its_parts_at_the_country_s_price_or_the_worst(
    number: str, parts: int, dollars: str
) -> None:
    assert sms_budget.price(number, parts) == Decimal(dollars)


def test_a_price_finer_than_the_ledger_is_rounded_up(settings: Any) -> None:
    settings.SMS_PRICES_USD = {"US": Decimal("0.000001")}
    assert sms_budget.price("+12025550123", 1) == Decimal("0.00001")


def test_the_month_is_that_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with timezone.override("Pacific/Kiritimati"):
        assert sms_budget.this_month() == timezone.now().date().replace(day=1)


def test_what_was_accepted_is_spent(delivery: Make) -> None:
    rows = [text(delivery) for _ in range(3)]
    for row in rows:
        attempt(row.pk)
        assert held(row) == (ONE, NOVEMBER)
    assert committed() == 3 * ONE


def test_an_email_costs_nothing(delivery: Make) -> None:
    row = delivery()
    attempt(row.pk)
    assert held(row) == (None, None)
    assert not SMSSpend.objects.exists()


def test_a_text_costs_two_statements_more_than_an_email(delivery: Make) -> None:
    attempt(text(delivery).pk)
    row = text(delivery, Priority.HIGH)
    with CaptureQueriesContext(connection) as captured:
        attempt(row.pk)
    # The first one is the test's own.
    assert len(statements(captured)) <= 1 + 10, statements(captured)


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_spend_exactly_the_limit(delivery: Make, settings: Any) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 37 * ONE
    rows = [text(delivery, Priority.HIGH) for _ in range(100)]
    attempt_at_once(20, rows)
    assert len(memory.texts) == 37
    assert committed() == settings.SMS_MONTHLY_SPEND_LIMIT_USD
    assert Delivery.objects.filter(state=DeliveryState.SKIPPED, cost_usd=None).count() == 63
    assert ledger().balances


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_release_exactly_what_they_reserved(
    delivery: Make, settings: Any
) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 5 * ONE
    memory.failures.extend(PermanentError("invalid number") for _ in range(30))
    attempt_at_once(10, [text(delivery) for _ in range(30)])
    assert committed() == 0
    assert memory.texts == []


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("invalid number"),
        TransientError("busy"),
        ThrottledError("slow down"),
        NotSendable("no"),
    ],
    ids=["refused", "refused for now", "throttled", "skipped"],
)
def test_what_the_provider_did_not_take_is_given_back(delivery: Make, error: DeliveryError) -> None:
    attempt(text(delivery).pk)
    row = text(delivery)
    memory.failures.append(error)
    attempt(row.pk)
    assert held(row) == (None, None)
    assert committed() == ONE


def test_what_was_retried_until_its_horizon_is_given_back(delivery: Make) -> None:
    row = text(delivery, due_at=timezone.now() - timedelta(days=2), failures=3)
    memory.failures.append(TransientError("busy"))
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.EXHAUSTED
    assert committed() == 0


def test_a_delivery_that_is_given_back_gives_its_money_back(
    delivery: Make, no_rate_slot: None
) -> None:
    row = text(delivery)
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.DUE
    assert held(row) == (None, None)
    assert committed() == 0


@pytest.mark.parametrize(
    ("called", "left"), [(False, Decimal(0)), (True, ONE)], ids=["before the call", "after it"]
)
def test_a_lost_worker_s_money_is_given_back_unless_it_had_called(
    delivery: Make, called: bool, left: Decimal
) -> None:
    mine = reserved(text(delivery))
    if called:
        transitions.record(mine, LogEvent.CALLING)
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweeps.due()
    assert committed() == left


def test_money_is_given_back_once(delivery: Make) -> None:
    reserved(text(delivery))
    mine = reserved(text(delivery))
    outcomes.record_outcome(mine, PermanentError("invalid number"))
    outcomes.record_outcome(mine, PermanentError("invalid number"))
    sms_budget.release(mine)
    assert committed() == ONE


def test_a_worker_without_its_lease_reserves_nothing_and_does_not_send(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(number: str, parts: int) -> Decimal:
        Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        return ONE

    monkeypatch.setattr(sms_budget, "price", lose)
    row = text(delivery)
    attempt(row.pk)
    assert (fresh(row).state, fresh(row).attempts) == (DeliveryState.SENDING, 1)
    sweeps.due()
    assert fresh(row).state == DeliveryState.DUE
    assert not SMSSpend.objects.exists()
    assert memory.texts == []


def test_an_unknown_attempt_keeps_its_money_and_a_resend_pays_again(
    delivery: Make,
) -> None:
    row = text(delivery)
    memory.failures.append(AmbiguousError("timed out"))
    attempt(row.pk)
    assert held(row) == (ONE, NOVEMBER)
    assert committed() == ONE
    outcomes.settle_unknown(fresh(row))
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.ACCEPTED
    assert committed() == 2 * ONE


def test_what_an_unknown_attempt_kept_is_not_given_back_by_a_later_one(delivery: Make) -> None:
    row = text(delivery)
    memory.failures.append(AmbiguousError("timed out"))
    attempt(row.pk)
    outcomes.settle_unknown(fresh(row))
    contact = row.notification.recipient.contact
    contact.sms_opt_in = False
    contact.save()
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.SKIPPED
    assert committed() == ONE


def test_a_late_refusal_of_an_unknown_one_gives_its_money_back(delivery: Make) -> None:
    slow = reserved(text(delivery))
    outcomes.record_lost_worker(slow, called=True)
    outcomes.record_outcome(slow, PermanentError("invalid number"))
    assert committed() == 0


def test_a_new_month_begins_with_nothing_spent(
    delivery: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = ONE
    for _ in range(2):
        attempt(text(delivery).pk)
    december = date(2026, 12, 1)
    monkeypatch.setattr(sms_budget, "this_month", lambda: december)
    attempt(text(delivery).pk)
    assert len(memory.texts) == 2
    assert (committed(), committed(december)) == (ONE, ONE)


def test_money_goes_back_to_the_month_that_it_came_from(
    delivery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = reserved(text(delivery))
    monkeypatch.setattr(sms_budget, "this_month", lambda: date(2026, 12, 1))
    outcomes.record_outcome(mine, PermanentError("invalid number"))
    assert committed() == 0


def test_a_cheaper_message_may_still_fit(delivery: Make, settings: Any) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = ONE
    mine = claimed(text(delivery).pk)
    assert mine is not None
    with pytest.raises(BudgetExhausted):
        sms_budget.reserve(mine, 2 * ONE)
    assert held(mine) == (None, None)
    assert sms_budget.reserve(mine, ONE)


@pytest.mark.parametrize(
    ("priority", "stands_in"), [(Priority.HIGH, True), (Priority.URGENT, False)]
)
def test_without_budget_a_text_is_skipped_and_a_high_one_goes_by_email(
    delivery: Make,
    notify: Any,
    person: Any,
    story: Callable[[Delivery], list[str]],
    settings: Any,
    priority: Priority,
    stands_in: bool,
) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = ONE
    attempt(text(delivery, Priority.HIGH).pk)
    [told] = notify(person(), priority=priority)
    row = told.deliveries.get(channel=Channel.SMS)
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.SKIPPED
    assert fresh(row).reason == "the month's text message budget is spent"
    assert len(memory.texts) == 1
    assert (LogEvent.FALLBACK in story(row)) is stands_in
    if stands_in:
        assert story(row) == [LogEvent.SKIPPED, LogEvent.FALLBACK]
        instead = stand_in(row)
        assert instead
        attempt(instead.pk)
        assert fresh(instead).state == DeliveryState.ACCEPTED
    assert ledger().discrepancies == []


def test_the_last_share_of_the_budget_is_for_urgent_texts(delivery: Make, settings: Any) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 20 * ONE
    settings.SMS_URGENT_RESERVE = Decimal("0.1")
    for _ in range(19):
        attempt(text(delivery, Priority.HIGH).pk)
    assert len(memory.texts) == 18
    refused = Delivery.objects.get(state=DeliveryState.SKIPPED)
    assert refused.reason == "the rest of the month's text message budget is for urgent messages"
    assert SMSSpend.objects.get().refused_at is None, "the budget has not ended"
    for _ in range(3):
        attempt(text(delivery, Priority.URGENT).pk)
    assert len(memory.texts) == 20
    assert SMSSpend.objects.get().refused_at


# --- Several at once ----------------------------------------------------------------------------


def claimed_texts(delivery: Make, *priorities: Priority) -> list[Delivery]:
    return [claimed(text(delivery, priority).pk) for priority in priorities]


def test_money_for_a_batch_is_reserved_as_one(delivery: Make) -> None:
    rows = claimed_texts(delivery, *[Priority.HIGH] * 3)
    SMSSpend.objects.create(month=NOVEMBER)
    with CaptureQueriesContext(connection) as captured:
        assert sms_budget.reserve_all([(row, ONE) for row in rows])
    assert len(statements(captured)) == 2, "one for the rows and one for the month"
    assert committed() == 3 * ONE
    assert {held(row) for row in rows} == {(ONE, NOVEMBER)}
    assert {row.cost_usd for row in rows} == {ONE}


def test_a_batch_of_different_prices_and_attempts_is_reserved(delivery: Make) -> None:
    first, second = claimed_texts(delivery, Priority.HIGH, Priority.HIGH)
    Delivery.objects.filter(pk=second.pk).update(attempts=4)
    second.attempts = 4
    assert sms_budget.reserve_all([(first, ONE), (second, 2 * ONE)])
    assert (held(first), held(second)) == ((ONE, NOVEMBER), (2 * ONE, NOVEMBER))
    assert committed() == 3 * ONE


def test_a_batch_without_room_for_all_reserves_nothing(delivery: Make, settings: Any) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 2 * ONE
    rows = claimed_texts(delivery, *[Priority.HIGH] * 3)
    assert not sms_budget.reserve_all([(row, ONE) for row in rows])
    assert {held(row) for row in rows} == {(None, None)}
    assert {row.cost_usd for row in rows} == {None}
    assert sum(SMSSpend.objects.values_list("committed_usd", flat=True)) == 0
    assert sms_budget.reserve_all([(row, ONE) for row in rows[:2]])


def test_a_batch_with_a_delivery_that_is_lost_reserves_nothing(delivery: Make) -> None:
    mine, lost = claimed_texts(delivery, Priority.HIGH, Priority.HIGH)
    Delivery.objects.filter(pk=lost.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert not sms_budget.reserve_all([(mine, ONE), (lost, ONE)])
    assert held(mine) == held(lost) == (None, None)
    assert sms_budget.reserve_all([(mine, ONE)])
    assert committed() == ONE


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [([Priority.URGENT] * 2, True), ([Priority.URGENT, Priority.HIGH], False)],
)
def test_a_batch_with_one_that_is_not_urgent_leaves_the_urgent_reserve(
    delivery: Make, settings: Any, priorities: list[Priority], expected: bool
) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 2 * ONE
    settings.SMS_URGENT_RESERVE = Decimal("0.5")
    rows = claimed_texts(delivery, *priorities)
    assert sms_budget.reserve_all([(row, ONE) for row in rows]) is expected


def test_a_batch_that_meets_the_limit_is_sent_as_far_as_the_money_goes(
    delivery: Make, settings: Any
) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 5 * ONE
    rows = [text(delivery, Priority.HIGH) for _ in range(8)]
    attempt(rows[0].pk)
    assert len(memory.texts) == 5
    assert Delivery.objects.filter(state=DeliveryState.SKIPPED, cost_usd=None).count() == 3
    assert committed() == 5 * ONE
    assert ledger().balances


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_spend_exactly_the_limit(delivery: Make, settings: Any) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = 7 * ONE
    batches = [claimed_texts(delivery, *[Priority.HIGH] * 3) for _ in range(4)]
    reserved_all: list[bool] = []
    at_once(
        4,
        lambda number: reserved_all.append(
            sms_budget.reserve_all([(row, ONE) for row in batches[number]])
        ),
    )
    assert reserved_all.count(True) == 2
    assert committed() == 6 * ONE
    assert Delivery.objects.filter(cost_usd=ONE).count() == 6


# --- Alerts ---------------------------------------------------------------------------------------


def spend(dollars: str, **values: Any) -> None:
    SMSSpend.objects.update_or_create(
        month=NOVEMBER, defaults={"committed_usd": Decimal(dollars), **values}
    )


def alerted() -> list[str]:
    """Return the subjects of what the administrator got since the last question."""
    tasks.send_alerts()
    subjects = [str(mail.subject) for mail in memory.emails]
    memory.clear()
    return subjects


WARNING = "RS Systems: most of this month's text message budget is spent"
STOPPED = "RS Systems: text messages have reached this month's budget"
BOTH = f"{STOPPED}, and 1 more"


def test_the_administrator_hears_once_at_80_percent_and_once_at_the_end(db: None) -> None:
    assert alerted() == []
    spend("39.99999")
    assert alerted() == []
    spend("40")
    assert alerted() == [WARNING]
    spend("45")
    assert alerted() == []
    spend("50")
    assert alerted() == [STOPPED]
    assert alerted() == []
    spend("45")
    assert alerted() == []


def test_a_budget_that_is_reached_at_once_is_told_in_one_message(db: None) -> None:
    spend("50")
    assert alerted() == [BOTH]
    spend("45")
    assert alerted() == []


def test_a_message_without_room_is_reported_though_cents_are_left(
    delivery: Make, settings: Any
) -> None:
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = ONE * Decimal("1.5")
    for _ in range(2):
        attempt(text(delivery).pk)
    memory.clear()
    assert alerted() == [BOTH]


def test_an_alert_says_how_much_and_what_to_do(db: None, settings: Any) -> None:
    settings.ADMIN_EMAIL = "office@fleet.example"
    spend("41.5")
    tasks.send_alerts()
    (mail,) = memory.emails
    assert mail.to == ["office@fleet.example"]
    assert "Text messages of November 2026 (UTC): $41.50 of $50.00 are spent" in mail.body
    assert "raise SMS_MONTHLY_SPEND_LIMIT_USD" in mail.body


@pytest.mark.parametrize("error", [TransientError("busy"), AmbiguousError("timed out")])
@pytest.mark.parametrize(("dollars", "subject"), [("40", WARNING), ("50", BOTH)])
def test_an_alert_whose_email_failed_is_sent_by_the_next_run(
    db: None, error: DeliveryError, dollars: str, subject: str
) -> None:
    spend(dollars)
    memory.failures.append(error)
    assert alerted() == []
    assert alerted() == [subject]
    assert alerted() == []


def test_an_alert_waits_for_a_rate_slot(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(rate_limit, "wait_for_slot", lambda *of: asked.append(of))
        spend("50")
        assert alerted() == []
        assert asked == [(Channel.EMAIL, Priority.URGENT)]
    assert alerted() == [BOTH]


@pytest.mark.parametrize(("dollars", "subject"), [("40", WARNING), ("50", BOTH)])
def test_an_alert_of_a_dead_worker_is_sent_after_its_claim(
    db: None, monkeypatch: pytest.MonkeyPatch, dollars: str, subject: str
) -> None:
    def dies(*_: Any) -> None:
        raise SystemExit

    spend(dollars)
    with monkeypatch.context() as patch:
        patch.setattr(EmailService, "send", dies)
        with pytest.raises(SystemExit):
            tasks.send_alerts()
    assert alerted() == []
    Alarm.objects.update(claimed_at=F("claimed_at") - telling.CLAIM)
    assert alerted() == [subject]
    Alarm.objects.update(claimed_at=F("claimed_at") - telling.CLAIM)
    assert alerted() == []


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_an_alert_once(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = rate_limit.wait_for_slot

    def waits(*of: Any) -> rate_limit.Slot | None:
        # Another comes meanwhile.
        telling.tell()
        return turn(*of)

    monkeypatch.setattr(rate_limit, "wait_for_slot", waits)
    spend("50")
    watch.evaluate()
    at_once(4, lambda _: telling.tell())
    assert len(memory.emails) == 1


def test_a_new_month_is_told_of_again(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    spend("42")
    assert alerted() == [WARNING]
    monkeypatch.setattr(sms_budget, "this_month", lambda: date(2026, 12, 1))
    over = WARNING.replace("RS Systems: ", "RS Systems: over: ")
    assert alerted() == [over]
    SMSSpend.objects.create(month=date(2026, 12, 1), committed_usd=40)
    assert alerted() == [WARNING]


def test_a_text_about_an_alarm_counts_and_needs_no_room(db: None, settings: Any) -> None:
    settings.ONCALL_PHONE = "+12025550199"
    spend("50")
    tasks.send_alerts()
    (text,) = memory.texts
    assert text.to == "+12025550199"
    assert text.text.startswith("RS Systems: text messages have reached this month's budget")
    assert SMSSpend.objects.get(month=NOVEMBER).committed_usd == 50 + ONE
