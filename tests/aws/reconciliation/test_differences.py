"""What each line makes of two counts, and what the nightly run tells of it."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone

from apps.aws import tasks
from apps.aws.account import Account
from apps.aws.reconciliation import account_counts, differences
from apps.aws.reconciliation.tallies import Range, Spend
from apps.core.audit.findings import Difference, Finding, Status, Unseen, fail, ok, warn
from apps.core.models import Delivery, Mark
from apps.core.providers import memory
from apps.core.states import DeliveryState

SUBJECT = "RS Systems: AWS's counts differ from our records"
OK, WARN, FAIL = Status.OK, Status.WARN, Status.FAIL


@pytest.mark.parametrize(
    ("counted", "ours", "foreign", "status", "words"),
    [
        (100, Range(100, 100), 0, OK, "SES counts 100 sent in 24 hours, we 100"),
        (98, Range(95, 103), 0, OK, "we 95 to 103"),
        (0, Range(0, 0), 0, OK, "SES counts 0"),
        # Alerts and test messages have no delivery.
        (10, Range(0, 0), 0, OK, "we 0"),
        (11, Range(0, 0), 0, WARN, "11 are not ours"),
        (11, Range(0, 0), 3, OK, "we 0 and 3 that are no delivery"),
        (1_020, Range(1_000, 1_000), 0, OK, "we 1,000"),
        (1_021, Range(1_000, 1_000), 0, WARN, "21 are not ours"),
        # One that is missing of a few is one too many; of many, one per cent are the clocks'.
        (4, Range(5, 5), 0, FAIL, "1 that we take for accepted are not among them"),
        (0, Range(3, 9), 0, FAIL, "3 that we take for accepted are not among them"),
        (990, Range(1_000, 1_010), 0, OK, "1,000 to 1,010"),
        (989, Range(1_000, 1_010), 0, FAIL, "11 that we take for accepted"),
    ],
)
def test_what_ses_counts_as_sent_is_compared_with_what_we_take_as_accepted(
    counted: int, ours: Range, foreign: int, status: Status, words: str
) -> None:
    found = differences.judge_sent(counted, ours, foreign)
    assert (found.status, bool(found.do)) == (status, status != OK)
    assert words in found.found


@pytest.mark.parametrize(
    ("counted", "reported", "others", "delivered", "bad_news"),
    [
        (0, Range(0, 0), 0, OK, OK),
        (5, Range(4, 6), 0, OK, OK),
        (7, Range(4, 6), 0, WARN, FAIL),
        # It may be of a foreign sender, or of one of ours without an event of its end.
        (7, Range(4, 6), 1, OK, OK),
        (8, Range(4, 6), 1, WARN, FAIL),
        (1_010, Range(1_000, 1_000), 0, OK, OK),
        (1_011, Range(1_000, 1_000), 0, WARN, FAIL),
        (2, Range(4, 6), 0, OK, OK),
        (1, Range(4, 6), 0, WARN, WARN),
        (990, Range(1_000, 1_000), 0, OK, OK),
        (989, Range(1_000, 1_000), 0, WARN, WARN),
    ],
)
def test_what_cloudwatch_counts_is_compared_with_the_events_that_we_got(
    counted: int, reported: Range, others: int, delivered: Status, bad_news: Status
) -> None:
    for judge, status in (
        (differences.judge_delivered, delivered),
        (differences.judge_bad_news, bad_news),
    ):
        found = judge(counted, reported, others)
        assert (found.status, bool(found.do)) == (status, status != OK)


@pytest.mark.parametrize(
    ("counted", "read", "status"),
    [
        (0, Range(0, 0), OK),
        (6, Range(3, 4), OK),
        (7, Range(3, 4), WARN),
        (1, Range(3, 4), OK),
        (0, Range(3, 4), WARN),
        (505, Range(500, 500), OK),
        (506, Range(500, 500), WARN),
    ],
)
def test_texts_that_cloudwatch_counts_are_in_sns_s_log(
    counted: int, read: Range, status: Status
) -> None:
    assert differences.judge_receipts(counted, read).status == status


@pytest.mark.parametrize(
    ("silent", "unended", "status", "words"),
    [
        (0, 0, OK, "every e-mail that SES took was reported on"),
        (2, 0, FAIL, "SES has reported nothing of 2 that it took: a, b"),
        (0, 1, FAIL, "reported no end of 1 that it took more than a day ago: a"),
        (1, 1, FAIL, "nothing of 1 that it took and no end of 1"),
    ],
)
def test_events_that_never_came_are_lost(
    silent: int, unended: int, status: Status, words: str
) -> None:
    rows = ("a", "b")[: silent + unended]
    found = differences.judge_lost_events(silent, unended, rows)
    assert found.status == status
    assert words in found.found


def test_a_sentence_names_ten_deliveries_and_counts_the_others() -> None:
    rows = tuple(map(str, range(12)))
    found = differences.judge_lost_events(12, 0, rows).found
    assert found.endswith(": 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more")


@pytest.mark.parametrize(
    ("named", "nameless", "status"),
    [(0, 0, OK), (0, 10, OK), (0, 11, WARN), (1, 0, WARN), (1, 11, WARN)],
)
def test_foreign_events_are_a_warning_beyond_the_number_of_our_own_alerts(
    named: int, nameless: int, status: Status
) -> None:
    assert differences.judge_foreign_events(named=named, nameless=nameless).status == status


@pytest.mark.parametrize(
    ("counted", "ours", "status"),
    [
        ("0.00", ("0", "0", "0"), OK),
        (None, ("0.40", "0", "0"), OK),
        (None, ("0.60", "0", "0"), WARN),
        (None, ("0.60", "0.60", "0"), OK),
        ("0.50", ("0", "0", "0"), OK),
        ("0.51", ("0", "0", "0"), FAIL),
        ("0.51", ("0", "0", "0.30"), OK),
        ("42.00", ("40.00", "0", "0"), OK),
        ("42.01", ("40.00", "0", "0"), FAIL),
        ("38.00", ("40.00", "0", "0"), OK),
        ("37.99", ("40.00", "0", "0"), WARN),
        ("30.00", ("40.00", "8.00", "0"), OK),
    ],
)
def test_what_sns_has_charged_is_compared_with_the_month_s_ledger(
    counted: str | None, ours: tuple[str, str, str], status: Status
) -> None:
    amount = None if counted is None else Decimal(counted)
    found = differences.judge_spend(amount, Spend(*map(Decimal, ours)))
    assert (found.status, bool(found.do)) == (status, status != OK)


@pytest.mark.parametrize(
    ("lost", "taken", "silent", "status"),
    [
        ((), 0, 0, OK),
        ((), 9, 4, OK),
        ((), 4, 4, OK),
        ((), 5, 5, WARN),
        (("a",), 9, 0, WARN),
    ],
)
def test_one_receipt_may_be_three_days_late_but_not_all_of_a_day(
    lost: tuple[str, ...], taken: int, silent: int, status: Status
) -> None:
    assert differences.judge_lost_receipts(lost, taken, silent).status == status


@pytest.mark.parametrize(("others", "status"), [(0, OK), (3, OK), (4, WARN)])
def test_foreign_texts_are_a_warning_beyond_the_number_of_our_own_tests(
    others: int, status: Status
) -> None:
    assert differences.judge_foreign_texts(others).status == status


@pytest.mark.parametrize(("rows", "status"), [([], OK), (["delivery 1 is odd"], FAIL)])
def test_the_ledger_balances_by_itself(rows: list[str], status: Status) -> None:
    assert differences.judge_ledger(rows).status == status


def test_aws_is_not_asked_if_nothing_goes_by_it(
    db: None, delivery: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "ask", lambda *_, **__: pytest.fail("AWS was asked"))
    lines = {line.id: line.finding for line in differences.compare()}
    assert lines["email.sent"] == ok("e-mail does not go by SES (memory)")
    assert lines["sms.spend"] == ok("text messages do not go by SNS")
    assert lines["ledger.balance"].status == OK
    delivery(state=DeliveryState.DELIVERED, finished_at=timezone.now())
    lines = {line.id: line.finding for line in differences.compare()}
    assert lines["ledger.balance"].status == FAIL


@pytest.mark.parametrize("missing", ["AWS_SES_CONFIGURATION_SET", "AWS_EVENT_TOPIC_ARNS"])
def test_if_ses_s_events_go_elsewhere_none_is_missed(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    settings.EMAIL_BACKEND = settings.SES_BACKEND
    settings.AWS_SES_CONFIGURATION_SET, settings.AWS_EVENT_TOPIC_ARNS = "set", ["arn"]
    setattr(settings, missing, "")
    monkeypatch.setattr(account_counts, "sent_in_24_hours", lambda _: 0)
    lines = {line.id: line.finding for line in differences.compare()}
    for name in ("email.delivered", "events.lost", "events.foreign"):
        assert lines[name] == ok("SES's events do not come here")


def test_the_spending_of_a_month_that_has_just_begun_is_not_compared(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMS_BACKEND = "apps.core.providers.sns.SNS"
    monkeypatch.setattr(account_counts, "texts_spent", lambda *_: pytest.fail("asked"))
    first = timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0)
    [line] = [
        each for each in differences.compare(first + timedelta(hours=23)) if each.id == "sms.spend"
    ]
    assert line.finding == ok("the month is younger than a day")


def test_cloudwatch_is_asked_for_whole_periods_that_are_old_enough() -> None:
    window = differences._periods(datetime(2026, 11, 26, 10, 42, 31, tzinfo=UTC))
    assert window.end == datetime(2026, 11, 26, 10, 25, tzinfo=UTC)
    assert window.start == datetime(2026, 11, 25, 10, 25, tzinfo=UTC)


# --- The nightly run ----------------------------------------------------------------------------


@pytest.fixture
def night(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[EmailMessage]]:
    """Return the e-mails of one night in production that found these lines, `later` on."""
    settings.ENVIRONMENT = "production"

    def run(*findings: Finding, later: timedelta = timedelta()) -> list[EmailMessage]:
        for mark in Mark.objects.all():
            mark.at -= later
            mark.save()
        lines = [Difference(f"line.{number}", each) for number, each in enumerate(findings)]
        monkeypatch.setattr(differences, "compare", lambda: lines)
        memory.clear()
        tasks.reconcile_with_aws()
        return list(memory.emails)

    return run


DIFFERS, WORSE = warn("11 are not ours", "Look."), fail("2 are lost", "Follow them.")
DAY = timedelta(days=1)


def test_the_administrator_gets_one_email_with_each_difference(
    night: Callable[..., Any], settings: Any
) -> None:
    [told] = night(ok("fine"), DIFFERS, WORSE)
    assert told.subject == SUBJECT
    assert told.to == [settings.ADMIN_EMAIL]
    assert "line.1 (warn): 11 are not ours. Look." in told.body
    assert "line.2 (fail): 2 are lost. Follow them." in told.body
    assert "line.0" not in told.body


def test_a_night_without_a_difference_sends_no_e_mail(night: Callable[..., Any]) -> None:
    assert night(ok("fine"), ok("fine")) == []


def test_a_failure_is_told_each_night_and_once_a_night(night: Callable[..., Any]) -> None:
    assert night(WORSE)
    assert not night(WORSE)
    assert night(WORSE, later=DAY)


def test_a_warning_that_stays_is_told_once_a_week_and_another_at_once(
    night: Callable[..., Any],
) -> None:
    assert night(DIFFERS)
    assert not night(DIFFERS, later=DAY)
    assert not night(DIFFERS, later=5 * DAY)
    assert night(DIFFERS, DIFFERS)
    assert night(DIFFERS, later=DAY)


def test_each_line_that_differs_is_in_the_log(
    night: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "apps.aws.reconciliation.differences"):
        night(ok("fine"), DIFFERS, WORSE)
    ours = [record for record in caplog.records if record.name.endswith(".differences")]
    assert [record.message for record in ours] == [
        "warn line.1: 11 are not ours",
        "fail line.2: 2 are lost",
    ]


def test_an_email_that_could_not_be_sent_is_told_the_next_night(
    night: Callable[..., Any], settings: Any
) -> None:
    settings.ENVIRONMENT, settings.STAGING_ALLOWED_RECIPIENTS = "staging", []
    assert night(WORSE) == []
    settings.ENVIRONMENT = "production"
    assert night(WORSE)


def test_in_development_the_sandbox_is_not_held_to_what_it_forgot(
    night: Callable[..., Any], settings: Any
) -> None:
    settings.ENVIRONMENT = "development"
    assert night(WORSE) == []


def test_a_line_that_could_not_look_says_why_under_every_id_of_its_group(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = settings.SES_BACKEND

    def refuse(_: Account) -> int:
        raise Unseen(WORSE)

    monkeypatch.setattr(account_counts, "sent_in_24_hours", refuse)
    lines = {line.id: line.finding for line in differences.compare()}
    assert lines["email.sent"] == WORSE
