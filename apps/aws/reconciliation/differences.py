"""Compares the ledger with AWS's own counts, and judges what differs.

docs/aws.md says what each comparison compares and what it tolerates.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.aws.account import Account
from apps.core.audit import ledger
from apps.core.audit.findings import Difference, Finding, Status, Unseen, fail, ok, warn
from apps.core.feedback.provider_events import MATCH_WITHIN
from apps.core.guards import sms_budget
from apps.core.providers import email_provider
from apps.core.providers.aws.client import READING
from apps.core.states import Channel, EventKind

from . import account_counts, tallies
from .tallies import Range, Spend, Window

logger = logging.getLogger(__name__)

DAY = timedelta(hours=24)
#: How old a period of CloudWatch must be: it counts some minutes late.
LAG = timedelta(minutes=15)
#: SES gives up within this an e-mail that the recipient's server refuses for now.
LAST_WORD = timedelta(hours=24)
#: SNS may log the outcome of a text this late
#: (https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html).
RECEIPT = timedelta(hours=72)
#: How far back the nightly run checks the ledger.
LEDGER = timedelta(days=7)

#: Messages a day that are no delivery: alerts, error mails, `test_ses`; and `test_sns`.
OWN_EMAILS, OWN_TEXTS = 10, 3
#: The share of a count by which two counters may differ.
SHARE = 0.01
#: By how many CloudWatch may count less than our events.
FEW = 2
#: By how much the month's texts may cost more or less than the ledger says.
SPEND_USD, SPEND_SHARE = Decimal("0.50"), Decimal("0.05")
#: Texts of a day from which not one receipt is no accident.
MANY_TEXTS = 5
#: Deliveries that a finding names.
NAMED = 10

EMAIL_LINES = ("email.sent",)
OUTCOME_LINES = ("email.delivered", "email.bounced", "email.complained")
EVENT_LINES = ("events.lost", "events.foreign")
SPEND_LINES = ("sms.spend",)
RECEIPT_LINES = ("sms.delivered", "sms.failed")
TEXT_LINES = ("sms.receipts", "sms.foreign")
LEDGER_LINES = ("ledger.balance",)

Compare = Callable[[Account, datetime], Iterator[Difference]]

_SNS = "apps.core.providers.sns.SNS"
_WHO_SENDS = (
    "Others send on this account, or it is more test, alert and error mail than usual. See in IAM "
    "when each access key was last used; one that is not ours is to be deleted."
)
_FOLLOW_EVENTS = (
    "Follow the events: `manage.py aws status`, its lines of events; the queue's dead letters."
)


def compare(now: datetime | None = None) -> list[Difference]:
    """Make every comparison, in its order; raises for the database alone."""
    now = now or timezone.now()
    groups: list[tuple[tuple[str, ...], Compare]] = [
        (EMAIL_LINES, _emails),
        (OUTCOME_LINES, _outcomes),
        (EVENT_LINES, _events),
        (SPEND_LINES, _spend),
        (RECEIPT_LINES, _receipts),
        (TEXT_LINES, _texts),
        (LEDGER_LINES, _ledger),
    ]
    account = Account(READING, retry=True)
    return [line for ids, compare in groups for line in _compared(ids, compare, account, now)]


def differences() -> list[Difference]:
    """Return the comparisons that are not ok, and log each."""
    found = [line for line in compare() if line.finding.status != Status.OK]
    for line in found:
        logger.warning("%s %s: %s", line.finding.status, line.id, line.finding.found)
    return found


def _compared(
    ids: tuple[str, ...], compare: Compare, account: Account, now: datetime
) -> list[Difference]:
    try:
        return list(compare(account, now))
    except Unseen as unseen:
        return [Difference(each, unseen.finding) for each in ids]


def _emails(account: Account, now: datetime) -> Iterator[Difference]:
    _skip_unless_ses()
    window = Window(now - DAY, now)
    counted, ours = account_counts.sent_in_24_hours(account), tallies.accepted_emails(window)
    yield Difference("email.sent", judge_sent(counted, ours, tallies.foreign_emails(window)))


def _outcomes(account: Account, now: datetime) -> Iterator[Difference]:
    _skip_unless_events_come()
    window = _periods(now)
    counted = account_counts.emails(account, window.start, window.end)
    others = max(0, counted.sent - tallies.accepted_emails(window).least)
    still_open = tallies.emails_without_end(window)
    delivered = tallies.emails_with_event(EventKind.DELIVERED, window)
    yield Difference(
        "email.delivered", judge_delivered(counted.delivered, delivered, others + still_open)
    )
    bounced = tallies.emails_with_event(EventKind.BOUNCED, window)
    yield Difference("email.bounced", judge_bad_news(counted.bounced, bounced, others + still_open))
    complained = tallies.emails_with_event(EventKind.COMPLAINED, window)
    yield Difference("email.complained", judge_bad_news(counted.complained, complained, others))


def _events(account: Account, now: datetime) -> Iterator[Difference]:
    _skip_unless_events_come()
    late = Window(now - DAY - MATCH_WITHIN, now - MATCH_WITHIN)
    silent = tallies.without_event(Channel.EMAIL, late)
    day_before = Window(now - DAY - LAST_WORD, now - LAST_WORD)
    told = tallies.without_event(Channel.EMAIL, day_before)
    endless = tallies.without_event(Channel.EMAIL, day_before, *tallies.ENDS)
    unended = {line: row for line, row in endless.items() if line not in told}
    rows = _rows(silent | unended)
    yield Difference("events.lost", judge_lost_events(len(silent), len(unended), rows), rows)
    foreign = tallies.foreign_events("ses", late)
    yield Difference(
        "events.foreign",
        judge_foreign_events(
            named=tallies.count_messages(foreign.exclude(delivery_ref=None)),
            nameless=tallies.count_messages(foreign.filter(delivery_ref=None)),
        ),
    )


def _spend(account: Account, now: datetime) -> Iterator[Difference]:
    _skip_unless_sns()
    month = sms_budget.this_month()
    since = datetime(month.year, month.month, month.day, tzinfo=UTC)
    if now - since < DAY:
        # AWS does not document when its month begins.
        raise Unseen(ok("the month is younger than a day"))
    counted = account_counts.texts_spent(account, since, now)
    yield Difference("sms.spend", judge_spend(counted, tallies.spend()))


def _receipts(account: Account, now: datetime) -> Iterator[Difference]:
    _skip_unless_log_is_read()
    window = _periods(now)
    counted = account_counts.texts(account, window.start, window.end)
    delivered = tallies.texts_with_receipt(EventKind.DELIVERED, window)
    yield Difference("sms.delivered", judge_receipts(counted.delivered, delivered))
    failed = tallies.texts_with_receipt(EventKind.BOUNCED, window)
    yield Difference("sms.failed", judge_receipts(counted.failed, failed))


def _texts(account: Account, now: datetime) -> Iterator[Difference]:
    _skip_unless_log_is_read()
    lately = Window(now - DAY - MATCH_WITHIN, now - MATCH_WITHIN)
    lost = _rows(tallies.without_event(Channel.SMS, Window(now - DAY - RECEIPT, now - RECEIPT)))
    taken, silent = tallies.accepted_texts(lately), tallies.without_event(Channel.SMS, lately)
    yield Difference("sms.receipts", judge_lost_receipts(lost, taken, len(silent)), lost)
    others = tallies.count_messages(tallies.foreign_events("sns", lately))
    others = max(0, others - tallies.alarm_texts(lately))
    yield Difference("sms.foreign", judge_foreign_texts(others))


def _ledger(account: Account, now: datetime) -> Iterator[Difference]:
    found = ledger.ledger(now - LEDGER).discrepancies
    yield Difference(
        "ledger.balance", judge_ledger([f"{each.row} {each.problem}" for each in found])
    )


def judge_sent(counted: int, ours: Range, foreign: int) -> Finding:
    """Compare SES's count. `foreign`: messages with an event that are no delivery."""
    found = f"SES counts {counted:,} sent in 24 hours, we {ours}"
    if foreign:
        found += f" and {foreign:,} that are no delivery"
    missing, others = ours.least - counted, counted - ours.most - foreign
    if missing > SHARE * ours.least:
        return fail(
            f"{found}: {missing:,} that we take for accepted are not among them",
            "Check that AWS_SES_REGION is the Region of AWS_SES_HOST, that it is AWS that answers "
            "there, and that the credentials are this account's.",
        )
    if others > OWN_EMAILS + SHARE * ours.most:
        return warn(f"{found}: {others:,} are not ours", _WHO_SENDS)
    return ok(found)


def judge_delivered(counted: int, reported: Range, others: int) -> Finding:
    """Compare deliveries. `others`: foreign ones, and ours without an event of their end."""
    found = f"CloudWatch counts {counted:,} deliveries, {reported} were reported to us"
    if counted - reported.most - others > SHARE * reported.most:
        return warn(f"{found}: {counted - reported.most - others:,} were not", _FOLLOW_EVENTS)
    return _not_fewer(found, counted, reported)


def judge_bad_news(counted: int, reported: Range, others: int) -> Finding:
    """Compare bounces or complaints: without the event we write to that address again."""
    found = f"CloudWatch counts {counted:,}, {reported} were reported to us"
    if counted - reported.most - others > SHARE * reported.most:
        return fail(
            f"{found}: {counted - reported.most - others:,} were not, so those addresses are not "
            "left alone",
            _FOLLOW_EVENTS,
        )
    return _not_fewer(found, counted, reported)


def judge_receipts(counted: int, read: Range) -> Finding:
    """Compare CloudWatch's texts with SNS's log."""
    found = f"CloudWatch counts {counted:,}, SNS's log has {read}"
    if counted - read.most > max(FEW, SHARE * read.most):
        return warn(
            f"{found}: {counted - read.most:,} are missing in it",
            "See sms.delivery_log and sms.log_group of `manage.py aws status`.",
        )
    return _not_fewer(found, counted, read)


def _not_fewer(found: str, counted: int, reported: Range) -> Finding:
    if reported.least - counted > max(FEW, SHARE * reported.least):
        return warn(
            f"{found}: more than CloudWatch knows of",
            "Look again tomorrow, when CloudWatch has caught up; then check the Region.",
        )
    return ok(found)


def judge_lost_events(silent: int, unended: int, rows: tuple[str, ...]) -> Finding:
    """Judge accepted e-mails without any event (`silent`) or without an end (`unended`)."""
    if not rows:
        return ok("every e-mail that SES took was reported on")
    said = [
        f"nothing of {silent:,} that it took" if silent else "",
        f"no end of {unended:,} that it took more than a day ago" if unended else "",
    ]
    found = f"SES has reported {' and '.join(filter(None, said))}: {_named(rows)}"
    return fail(found, _FOLLOW_EVENTS)


def judge_foreign_events(*, named: int, nameless: int) -> Finding:
    """Judge messages of our configuration set that are no delivery, by our mark in them."""
    if named:
        return warn(
            f"messages that SES reported on, that carry our mark and are no delivery: {named:,}",
            "Another environment sends through this configuration set, or rows were deleted: give "
            "each environment a set of its own.",
        )
    found = f"messages that SES reported on and that are no delivery: {nameless:,}"
    return warn(found, _WHO_SENDS) if nameless > OWN_EMAILS else ok(found)


def judge_spend(counted: Decimal | None, ours: Spend) -> Finding:
    """Compare the month's US dollars; `counted` is None if CloudWatch has no value yet."""
    slack = max(SPEND_USD, SPEND_SHARE * ours.committed)
    amount = counted or Decimal(0)
    found = f"SNS has charged {amount:.2f} USD this month, our ledger has {ours.committed:.2f}"
    if ours.foreign:
        found += f" and {ours.foreign:.2f} for texts that are no delivery"
    if amount > ours.committed + ours.foreign + slack:
        return fail(
            f"{found}: our budget stops later than it should",
            "Set SMS_PRICES_USD to what AWS charges, carriers' fees and all; see sms.foreign for "
            "others who text on this account.",
        )
    if amount < ours.committed - ours.unconfirmed - slack:
        return warn(
            f"{found}: our budget stops texts too early",
            "Set SMS_PRICES_USD to what AWS charges. An amount that CloudWatch has not yet is "
            "there tomorrow.",
        )
    return ok(found)


def judge_lost_receipts(lost: tuple[str, ...], taken: int, silent: int) -> Finding:
    """Judge texts without a receipt: `lost` after 72 hours, `silent` of a day's `taken`."""
    if lost:
        return warn(
            f"texts without a receipt after 72 hours: {len(lost):,} ({_named(lost)})",
            "See sms.delivery_log and sms.log_group of `manage.py aws status`.",
        )
    if taken == silent >= MANY_TEXTS:
        return warn(
            f"not one of a day's {taken:,} texts has a receipt",
            "See sms.delivery_log and sms.log_group of `manage.py aws status`.",
        )
    return ok(f"{silent:,} of a day's {taken:,} texts have no receipt yet")


def judge_foreign_texts(others: int) -> Finding:
    """Judge texts in SNS's log that are no delivery."""
    found = f"texts in SNS's log that are no delivery: {others:,}"
    if others > OWN_TEXTS:
        return warn(
            found,
            "Others text on this account, or it was `test_sns`. See in IAM when each access key "
            "was last used; one that is not ours is to be deleted.",
        )
    return ok(found)


def judge_ledger(discrepancies: list[str]) -> Finding:
    """Judge the ledger by itself."""
    if discrepancies:
        return fail(
            f"{len(discrepancies):,} rows of the last 7 days do not balance, as {discrepancies[0]}",
            "`manage.py ledger` lists them.",
        )
    return ok("the ledger of the last 7 days balances")


def _periods(now: datetime) -> Window:
    """Return the last 24 hours for which CloudWatch has whole periods."""
    counted = int((now - LAG).timestamp())
    end = datetime.fromtimestamp(counted - counted % account_counts.PERIOD_S, UTC)
    return Window(end - DAY, end)


def _skip_unless_ses() -> None:
    name = email_provider().name
    if not name.startswith("ses"):
        raise Unseen(ok(f"e-mail does not go by SES ({name})"))


def _skip_unless_events_come() -> None:
    _skip_unless_ses()
    if not (settings.AWS_SES_CONFIGURATION_SET and settings.AWS_EVENT_TOPIC_ARNS):
        raise Unseen(ok("SES's events do not come here"))


def _skip_unless_sns() -> None:
    if not settings.SMS_ENABLED or settings.SMS_BACKEND != _SNS:
        raise Unseen(ok("text messages do not go by SNS"))


def _skip_unless_log_is_read() -> None:
    _skip_unless_sns()
    if not settings.SMS_DELIVERY_LOG_GROUP:
        raise Unseen(ok("SNS's log is not read"))


def _rows(lines: dict[int, UUID]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, lines.values())))


def _named(rows: tuple[str, ...]) -> str:
    more = len(rows) - NAMED
    return ", ".join(rows[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
