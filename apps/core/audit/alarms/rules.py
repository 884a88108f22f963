"""The table of alarms: for each what is measured, what it means and what to do.

To add one: write its function in measures.py, give it a line in RULES, and a section in
docs/operations.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel

from . import measures
from .figures import Figures, stopped_alarm
from .measures import PLURAL, Measured


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
    measure = partial(measures.stopped, channel, cause)
    return AlarmRule(name, title, measure, advice, over, is_grave=cause != StopCause.REPUTATION)


#: The alarms about stopped channels: their rows decide them, at any moment.
STOP_RULES = [
    rule
    for channel, plural in PLURAL.items()
    for rule in (
        _of_stop(
            stopped_alarm(channel),
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
    measures.beat,
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
        measures.bounces,
        _UNWANTED,
        "Bounces are below the limit again.",
    ),
    AlarmRule(
        "complaints",
        "too much e-mail is complained about",
        measures.complaints,
        _UNWANTED,
        "Complaints are below the limit again.",
    ),
    AlarmRule(
        "daily-quota",
        "the day's e-mails are near SES's quota",
        measures.quota,
        "Above the quota SES refuses every e-mail until some of the last 24 hours are older. Ask "
        "AWS for more, or stop an announcement.",
        "The day's e-mails are well below SES's quota again.",
    ),
    AlarmRule(
        "sms-spend",
        "most of this month's text message budget is spent",
        measures.spend,
        "Text messages still go out. When the budget is spent they stop until the first of next "
        "month, and what would have gone by text message alone goes by e-mail. " + _SPENDING,
        "The month's texts are well below their budget again.",
    ),
    AlarmRule(
        "sms-budget",
        "text messages have reached this month's budget",
        measures.budget,
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
        measures.text_failures,
        "The log of the deliveries says why: one carrier, one country, or all of them?",
        "Few texts fail again.",
    ),
    AlarmRule(
        "sms-volume",
        "more texts than usual",
        measures.texts,
        "Look at who or what sends them: an announcement, a loop, a stranger. In the cockpit you "
        "can pause texts meanwhile.",
        "The number of texts is as usual again.",
    ),
    AlarmRule(
        "worker-offline",
        "too few workers answer",
        measures.workers,
        "Messages wait in the database and nothing is lost. Look at rs-systems-worker on its host.",
        "Enough workers answer again.",
        after=timedelta(minutes=2),
        is_grave=True,
    ),
    AlarmRule(
        "attempt-failures",
        "too many attempts to send fail",
        measures.attempts,
        "The attempts are made again later. The log of the deliveries says what the provider "
        "answers; many throttling answers mean that a rate limit is above what the provider "
        "grants.",
        "Few attempts fail again.",
    ),
    AlarmRule(
        "task-failures",
        "too many tasks raise errors",
        measures.tasks,
        "The log of the workers has each error with its traceback. What a send task left is taken "
        "back when its lease ends.",
        "Few tasks raise errors again.",
    ),
    AlarmRule(
        "queue-depth",
        "deliveries pile up",
        measures.depth,
        "More is made than is sent. Look at the workers and the rate limits; after an "
        "announcement it passes by itself. What waits for a stopped channel does not count.",
        "The queue is short again.",
        after=timedelta(minutes=5),
    ),
    AlarmRule(
        "urgent-waits",
        "urgent messages wait",
        measures.urgent,
        "Urgent messages go first, so no worker takes any. Look at the workers.",
        "No urgent message waits any more.",
        is_grave=True,
    ),
    BEAT_SILENT,
    *STOP_RULES,
    AlarmRule(
        "figures-late",
        "the figures are not counted",
        measures.lag,
        "The cockpit's charts and the alarms about texts and attempts do not see the present. The "
        "log of the worker of housekeeping says why keep_figures fails.",
        "The figures are counted again.",
        after=timedelta(minutes=10),
    ),
    AlarmRule(
        "ledger",
        "the ledger does not balance",
        measures.ledger,
        "`manage.py ledger --since 24h` names each row that our records cannot explain.",
        "The ledger balances again.",
    ),
    AlarmRule(
        "doctor",
        "the doctor finds a failure",
        measures.doctor,
        "`manage.py aws status` shows every check and what to do.",
        "The doctor finds no failure any more.",
    ),
]
BY_NAME = {rule.name: rule for rule in RULES}
#: The names of those that are judged at any moment, and not only each minute.
LIVE = frozenset({BEAT_SILENT.name, *(rule.name for rule in STOP_RULES)})
