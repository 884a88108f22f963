"""What the alarms measure: pure functions from the figures to a number, its limit and a sentence.

They return None if the number is not known.
"""

from dataclasses import dataclass

from django.conf import settings

from apps.core.audit import answers
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
PLURAL = {Channel.EMAIL: "E-mails", Channel.SMS: "Text messages"}


@dataclass(frozen=True)
class Measured:
    """A number, the limit above which it is wrong, and a sentence about it."""

    value: float
    limit: float
    sentence: str

    def is_wrong(self, *, already: bool) -> bool:
        """Return whether it is too much; `already`: if it was before."""
        return self.value > self.limit * (QUIET_BELOW if already else 1)


def stopped(channel: Channel, cause: StopCause, figures: Figures) -> Measured:
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
    if meaning := answers.plain(said):
        return f"{channel} are stopped: {meaning} ({said})."
    return f"{channel} are stopped, because the provider refuses them: {said}."


def bounces(figures: Figures) -> Measured | None:
    found = figures.reputation
    if found is None:
        return None
    is_enough = found.sent >= reputation.MIN_SENT and found.bounced >= reputation.WARN_MIN_BOUNCES
    limit = float(settings.ALARM_BOUNCE_SHARE)
    return Measured(found.bounces if is_enough else 0, limit, f"Within a day, {found}.")


def complaints(figures: Figures) -> Measured | None:
    found = figures.reputation
    if found is None:
        return None
    is_enough = (
        found.sent >= reputation.MIN_SENT and found.complained >= reputation.WARN_MIN_COMPLAINTS
    )
    limit = float(settings.ALARM_COMPLAINT_SHARE)
    return Measured(found.complaints if is_enough else 0, limit, f"Within a day, {found}.")


def quota(figures: Figures) -> Measured | None:
    found = figures.quota
    if found is None:
        return None
    percent = 100 * found.sent / found.most
    words = f"SES sent {found.sent:,.0f} of the {found.most:,.0f} e-mails that it allows in a day."
    return Measured(percent, settings.ALARM_QUOTA_PERCENT, words)


def spend(figures: Figures) -> Measured | None:
    return _spent(figures, settings.ALARM_SMS_SPEND_PERCENT)


def budget(figures: Figures) -> Measured | None:
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


def text_failures(figures: Figures) -> Measured:
    found = figures.texts
    is_enough = found.failed >= settings.ALARM_FAILURES_AT_LEAST
    words = f"Of {found.ended:,} texts within an hour {found.failed:,} failed."
    return Measured(found.percent if is_enough else 0, settings.ALARM_SMS_FAILURE_PERCENT, words)


def texts(figures: Figures) -> Measured:
    count = figures.texts.ended
    return Measured(count, settings.ALARM_SMS_PER_HOUR, f"{count:,} texts left within an hour.")


def workers(figures: Figures) -> Measured | None:
    if figures.workers is None:
        return None
    expected = settings.ALARM_WORKERS_EXPECTED
    words = f"{figures.workers} of {expected} workers that send answer."
    return Measured(expected - figures.workers, 0, words)


def attempts(figures: Figures) -> Measured:
    found = figures.attempts
    is_enough = found.failed >= settings.ALARM_FAILURES_AT_LEAST
    words = f"Of {found.ended:,} attempts to send within ten minutes {found.failed:,} failed."
    limit = settings.ALARM_ATTEMPT_FAILURE_PERCENT
    return Measured(found.percent if is_enough else 0, limit, words)


def tasks(figures: Figures) -> Measured | None:
    found = figures.tasks
    if found is None:
        return None
    is_enough = found.failed >= settings.ALARM_FAILURES_AT_LEAST
    words = f"Of {found.ended:,} tasks within ten minutes {found.failed:,} raised an error."
    limit = settings.ALARM_TASK_FAILURE_PERCENT
    return Measured(found.percent if is_enough else 0, limit, words)


def depth(figures: Figures) -> Measured:
    count = sum(each.count for each in figures.waiting.values())
    words = f"{count:,} deliveries are due and no worker has them."
    return Measured(count, settings.ALARM_QUEUE_DEPTH, words)


def urgent(figures: Figures) -> Measured:
    seconds = figures.urgent_wait.total_seconds()
    words = f"The oldest of them has been due for {seconds:,.0f} s."
    if urgent := figures.waiting.get(Priority.URGENT):
        words = f"{urgent.count:,} urgent messages are due and no worker has them. {words}"
    return Measured(seconds, settings.ALARM_URGENT_WAIT_S, words)


def beat(figures: Figures) -> Measured | None:
    if figures.silence is None:
        return None
    seconds = figures.silence.total_seconds()
    words = (
        f"The sweep has not run for {seconds:,.0f} s: beat, or the worker of housekeeping, "
        "stands still."
    )
    return Measured(seconds, settings.ALARM_BEAT_SILENT_S, words)


def lag(figures: Figures) -> Measured | None:
    if figures.lag is None:
        return None
    minutes = figures.lag.total_seconds() / 60
    return Measured(minutes, LATE_MIN, f"Figures are counted up to {minutes:,.0f} minutes ago.")


def ledger(figures: Figures) -> Measured | None:
    return _failing(figures.ledger)


def doctor(figures: Figures) -> Measured | None:
    return _failing(figures.doctor)


def _failing(reading: Reading | None) -> Measured | None:
    if reading is None:
        return None
    return Measured(float(reading.status == Status.FAIL), 0, reading.found)
