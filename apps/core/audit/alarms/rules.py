"""The table of alarms. Each rule is a pure function over the figures.

To add one: write its function, give it a line in RULES, and a section in docs/operations.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings

from apps.core.audit.findings import Status
from apps.core.guards import reputation
from apps.core.models import ChannelStop, Reading
from apps.core.models.channel_stop import StopCause
from apps.core.redaction import redact
from apps.core.states import Channel, Priority

from .figures import Figures

#: An alarm ends when its number falls below this share of the limit, so that a number near the
#: limit does not ring each minute.
QUIET_BELOW = 0.9
#: Minutes. The last five are counted again by each run, so figures are never younger than that.
LATE_MIN = 10


@dataclass(frozen=True)
class Measured:
    """A number, the limit above which it is wrong, and a sentence about it."""

    value: float
    limit: float
    sentence: str

    def is_wrong(self, *, already: bool) -> bool:
        """Return whether it is too much; `already`: if it was before."""
        return self.value > self.limit * (QUIET_BELOW if already else 1)


@dataclass(frozen=True)
class AlarmRule:
    """One alarm. Its name is also the anchor of its section in docs/operations.md."""

    name: str
    #: What is wrong, in a few words.
    title: str
    #: Return None if it is not known.
    measure: Callable[[Figures], Measured | None]
    #: What it means and what to do.
    advice: str
    #: The sentence for its end.
    over: str
    #: How long it must be wrong before the alarm starts.
    after: timedelta = timedelta()
    #: Some or all messages wait meanwhile.
    is_grave: bool = False


def _stop(channel: Channel, cause: StopCause, figures: Figures) -> Measured:
    for each in figures.stops:
        if (each.channel, each.cause) == (channel, cause):
            return Measured(1, 0, sentence_of(each))
    return Measured(0, 0, "")


def sentence_of(stop: ChannelStop) -> str:
    """Return what is wrong with a stopped channel, and why."""
    channel, why = PLURAL[Channel(stop.channel)], redact(stop.reason).rstrip(".")
    if stop.cause == StopCause.PERSON:
        return f"{channel} are paused {why}."
    if stop.cause == StopCause.REPUTATION:
        return f"{channel} that are not urgent are held back: {why}."
    said = f"{stop.code} {why}".strip()
    return f"{channel} are stopped, because the provider refuses them: {said}."


def _bounces(figures: Figures) -> Measured | None:
    found = figures.reputation
    if found is None:
        return None
    is_enough = found.sent >= reputation.MIN_SENT and found.bounced >= reputation.WARN_MIN_BOUNCES
    limit = float(settings.ALARM_BOUNCE_SHARE)
    return Measured(found.bounces if is_enough else 0, limit, f"Within a day, {found}.")


def _complaints(figures: Figures) -> Measured | None:
    found = figures.reputation
    if found is None:
        return None
    is_enough = (
        found.sent >= reputation.MIN_SENT and found.complained >= reputation.WARN_MIN_COMPLAINTS
    )
    limit = float(settings.ALARM_COMPLAINT_SHARE)
    return Measured(found.complaints if is_enough else 0, limit, f"Within a day, {found}.")


def _quota(figures: Figures) -> Measured | None:
    found = figures.quota
    if found is None:
        return None
    percent = 100 * found.sent / found.most
    words = f"SES sent {found.sent:,.0f} of the {found.most:,.0f} e-mails that it allows in a day."
    return Measured(percent, settings.ALARM_QUOTA_PERCENT, words)


def _spend(figures: Figures) -> Measured | None:
    return _spent(figures, settings.ALARM_SMS_SPEND_PERCENT)


def _budget(figures: Figures) -> Measured | None:
    return _spent(figures, 100)


def _spent(figures: Figures, percent: float) -> Measured | None:
    found = figures.spend
    if found is None:
        return None
    spent = 100 * float(found.committed / found.limit)
    if found.is_refused:
        spent = max(spent, 100.0)
    words = (
        f"Text messages of {found.month:%B %Y} (UTC): ${found.committed:.2f} of "
        f"${found.limit:.2f} are spent or reserved."
    )
    # From the limit on: the smallest amount below it is a hundred-thousandth of a dollar.
    return Measured(spent, percent - 1e-9, words)


def _text_failures(figures: Figures) -> Measured:
    found = figures.texts
    is_enough = found.failed >= settings.ALARM_FAILURES_AT_LEAST
    words = f"Of {found.ended:,} texts within an hour {found.failed:,} failed."
    return Measured(found.percent if is_enough else 0, settings.ALARM_SMS_FAILURE_PERCENT, words)


def _texts(figures: Figures) -> Measured:
    count = figures.texts.ended
    return Measured(count, settings.ALARM_SMS_PER_HOUR, f"{count:,} texts left within an hour.")


def _workers(figures: Figures) -> Measured | None:
    if figures.workers is None:
        return None
    expected = settings.ALARM_WORKERS_EXPECTED
    words = f"{figures.workers} of {expected} workers that send answer."
    return Measured(expected - figures.workers, 0, words)


def _attempts(figures: Figures) -> Measured:
    found = figures.attempts
    is_enough = found.failed >= settings.ALARM_FAILURES_AT_LEAST
    words = f"Of {found.ended:,} attempts to send within ten minutes {found.failed:,} failed."
    limit = settings.ALARM_ATTEMPT_FAILURE_PERCENT
    return Measured(found.percent if is_enough else 0, limit, words)


def _tasks(figures: Figures) -> Measured | None:
    found = figures.tasks
    if found is None:
        return None
    is_enough = found.failed >= settings.ALARM_FAILURES_AT_LEAST
    words = f"Of {found.ended:,} tasks within ten minutes {found.failed:,} raised an error."
    limit = settings.ALARM_TASK_FAILURE_PERCENT
    return Measured(found.percent if is_enough else 0, limit, words)


def _depth(figures: Figures) -> Measured:
    count = sum(each.count for each in figures.waiting.values())
    words = f"{count:,} deliveries are due and no worker has them."
    return Measured(count, settings.ALARM_QUEUE_DEPTH, words)


def _urgent(figures: Figures) -> Measured:
    seconds = figures.urgent_wait.total_seconds()
    words = f"The oldest of them has been due for {seconds:,.0f} s."
    if urgent := figures.waiting.get(Priority.URGENT):
        words = f"{urgent.count:,} urgent messages are due and no worker has them. {words}"
    return Measured(seconds, settings.ALARM_URGENT_WAIT_S, words)


def _beat(figures: Figures) -> Measured | None:
    if figures.silence is None:
        return None
    seconds = figures.silence.total_seconds()
    words = (
        f"The sweep has not run for {seconds:,.0f} s: beat, or the worker of housekeeping, "
        "stands still."
    )
    return Measured(seconds, settings.ALARM_BEAT_SILENT_S, words)


def _lag(figures: Figures) -> Measured | None:
    if figures.lag is None:
        return None
    minutes = figures.lag.total_seconds() / 60
    return Measured(minutes, LATE_MIN, f"Figures are counted up to {minutes:,.0f} minutes ago.")


def _ledger(figures: Figures) -> Measured | None:
    return _failing(figures.ledger)


def _doctor(figures: Figures) -> Measured | None:
    return _failing(figures.doctor)


def _failing(reading: Reading | None) -> Measured | None:
    if reading is None:
        return None
    return Measured(float(reading.status == Status.FAIL), 0, reading.found)


PLURAL = {Channel.EMAIL: "E-mails", Channel.SMS: "Text messages"}
_STOPPED = (
    "Nothing is lost: messages wait, and those for this channel alone go by another. At least "
    "every five minutes one message is tried, and when the provider accepts it the others follow "
    "by themselves. Check the credentials, the provider's console and its limits. In the cockpit "
    "you can have it tried at once."
)
_PAUSED = (
    "Nothing is lost: messages wait, urgent ones too, until a person resumes the channel in the "
    "cockpit."
)
_SPENDING = (
    "If this is as expected, there is nothing to do. To send more this month, raise "
    "SMS_MONTHLY_SPEND_LIMIT_USD and restart the workers; check first that the provider's own "
    "spending limit allows it."
)
_UNWANTED = (
    "SES reviews an account at 5% bounces or 0.1% complaints, and may pause it at twice, and five "
    "times, as much. At that we stop what is not urgent by ourselves. Look at the latest provider "
    "events in the admin: where did those addresses come from?"
)


def _of_stop(
    name: str, title: str, channel: Channel, cause: StopCause, advice: str, over: str
) -> AlarmRule:
    measure = partial(_stop, channel, cause)
    return AlarmRule(name, title, measure, advice, over, is_grave=cause != StopCause.REPUTATION)


#: The alarms about stopped channels: their rows decide them, at any moment.
STOP_RULES = [
    rule
    for channel, plural in PLURAL.items()
    for rule in (
        _of_stop(
            f"{channel}-stopped",
            f"{plural.lower()} are stopped",
            channel,
            StopCause.PROVIDER,
            _STOPPED,
            f"{plural} go out again.",
        ),
        _of_stop(
            f"{channel}-paused",
            f"{plural.lower()} are paused",
            channel,
            StopCause.PERSON,
            _PAUSED,
            f"A person has resumed the channel: {plural.lower()} go out again.",
        ),
    )
] + [
    _of_stop(
        "email-held-back",
        "e-mail that is not urgent is stopped",
        Channel.EMAIL,
        StopCause.REPUTATION,
        "SES may pause an account for that, and then nothing would go out. Urgent e-mails still "
        "do; the others wait, and go out by themselves when the shares of the last 24 hours are "
        "good again. Find out where those addresses came from. In the cockpit you can have e-mail "
        "sent again at once; the counts then start from zero.",
        "E-mail that is not urgent goes out again.",
    )
]
BEAT_SILENT = AlarmRule(
    "beat-silent",
    "the sweep does not run",
    _beat,
    "What is due later, and what a worker lost, waits. Start beat; it takes a worker for the queue "
    "housekeeping too.",
    "The sweep runs again.",
    after=timedelta(minutes=1),
    is_grave=True,
)
RULES = [
    AlarmRule(
        "bounces",
        "too much e-mail bounces",
        _bounces,
        _UNWANTED,
        "Bounces are below the limit again.",
    ),
    AlarmRule(
        "complaints",
        "too much e-mail is complained about",
        _complaints,
        _UNWANTED,
        "Complaints are below the limit again.",
    ),
    AlarmRule(
        "daily-quota",
        "the day's e-mails are near SES's quota",
        _quota,
        "Above the quota SES refuses every e-mail until some of the last 24 hours are older. Ask "
        "AWS for more, or stop an announcement.",
        "The day's e-mails are well below SES's quota again.",
    ),
    AlarmRule(
        "sms-spend",
        "most of this month's text message budget is spent",
        _spend,
        "Text messages still go out. When the budget is spent they stop until the first of next "
        "month, and what would have gone by text message alone goes by e-mail. " + _SPENDING,
        "The month's texts are well below their budget again.",
    ),
    AlarmRule(
        "sms-budget",
        "text messages have reached this month's budget",
        _budget,
        "Text messages that do not fit are no longer sent, until the first of next month. What "
        "would have gone by text message alone goes by e-mail; e-mails and the messages in the "
        "application are not affected. The delivery list in the admin names each text message "
        "that was skipped. " + _SPENDING,
        "Texts have a budget again.",
        is_grave=True,
    ),
    AlarmRule(
        "sms-failures",
        "too many texts fail",
        _text_failures,
        "The log of the deliveries says why: one carrier, one country, or all of them?",
        "Few texts fail again.",
    ),
    AlarmRule(
        "sms-volume",
        "more texts than usual",
        _texts,
        "Look at who or what sends them: an announcement, a loop, a stranger. In the cockpit you "
        "can pause texts meanwhile.",
        "The number of texts is as usual again.",
    ),
    AlarmRule(
        "worker-offline",
        "too few workers answer",
        _workers,
        "Messages wait in the database and nothing is lost. Look at rs-systems-worker on its host.",
        "Enough workers answer again.",
        after=timedelta(minutes=2),
        is_grave=True,
    ),
    AlarmRule(
        "attempt-failures",
        "too many attempts to send fail",
        _attempts,
        "The attempts are made again later. The log of the deliveries says what the provider "
        "answers; many throttling answers mean that a rate limit is above what the provider "
        "grants.",
        "Few attempts fail again.",
    ),
    AlarmRule(
        "task-failures",
        "too many tasks raise errors",
        _tasks,
        "The log of the workers has each error with its traceback. What a send task left is taken "
        "back when its lease ends.",
        "Few tasks raise errors again.",
    ),
    AlarmRule(
        "queue-depth",
        "deliveries pile up",
        _depth,
        "More is made than is sent. Look at the workers, a stopped channel and the rate limits; "
        "after an announcement it passes by itself.",
        "The queue is short again.",
        after=timedelta(minutes=5),
    ),
    AlarmRule(
        "urgent-waits",
        "urgent messages wait",
        _urgent,
        "Urgent messages go first, so no worker takes any. Look at the workers.",
        "No urgent message waits any more.",
        is_grave=True,
    ),
    BEAT_SILENT,
    *STOP_RULES,
    AlarmRule(
        "figures-late",
        "the figures are not counted",
        _lag,
        "The cockpit's charts and the alarms about texts and attempts do not see the present. The "
        "log of the worker of housekeeping says why keep_figures fails.",
        "The figures are counted again.",
        after=timedelta(minutes=10),
    ),
    AlarmRule(
        "ledger",
        "the ledger does not balance",
        _ledger,
        "`manage.py ledger --since 24h` names each row that our records cannot explain.",
        "The ledger balances again.",
    ),
    AlarmRule(
        "doctor",
        "the doctor finds a failure",
        _doctor,
        "`manage.py aws status` shows every check and what to do.",
        "The doctor finds no failure any more.",
    ),
]
BY_NAME = {rule.name: rule for rule in RULES}
#: The names of those that are judged at any moment, and not only each minute.
LIVE = frozenset({BEAT_SILENT.name, *(rule.name for rule in STOP_RULES)})
