"""Compare what arrived at the sandbox with what was committed.

Messages are matched by the job number that each one shows, so no id of the application is trusted.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from apps.core.states import Channel, Priority
from chaos.producer import PlannedNotification
from sandbox.testing import RunningSandbox

#: A message: its job number and its channel.
Key = tuple[str, str]

_JOB_NUMBER = re.compile(r"\bC-\d{6}\b")

#: The channels by which a message of each priority goes.
CHANNELS: dict[Priority, tuple[Channel, ...]] = {
    Priority.URGENT: (Channel.EMAIL, Channel.SMS),
    Priority.HIGH: (Channel.SMS,),
    Priority.MEDIUM: (Channel.EMAIL,),
}


class Arrivals:
    """Counts how often each message arrived at the sandbox."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox
        self._counts: Counter[Key] = Counter()
        self._last_seq = 0

    def read(self) -> Counter[Key]:
        """Return the counts, with the messages that arrived since the last call."""
        for message in self._sandbox.messages(since=self._last_seq):
            self._last_seq = message["seq"]
            if job_number := job_number_of(message):
                self._counts[job_number, message["kind"]] += 1
        return self._counts


def job_number_of(message: dict[str, Any]) -> str:
    """Return the job number that a message of the sandbox shows, or an empty text."""
    found = _JOB_NUMBER.search(
        message["subject"] if message["kind"] == "email" else message["body"]
    )
    return found[0] if found else ""


def expected(notifications: Iterable[PlannedNotification]) -> set[Key]:
    """Return the messages that must arrive; for HIGH, the text or the e-mail in its place."""
    return {
        (each.job_number, channel.value)
        for each in notifications
        for channel in CHANNELS[each.priority]
    }


def missing(notifications: Iterable[PlannedNotification], counts: Counter[Key]) -> set[Key]:
    """Return the expected messages that have not arrived."""
    replaceable = {each.job_number for each in notifications if each.priority == Priority.HIGH}
    return {
        (job_number, channel)
        for job_number, channel in expected(notifications)
        if not counts[job_number, channel]
        and not (job_number in replaceable and counts[job_number, Channel.EMAIL.value])
    }


def duplicates(
    notifications: Iterable[PlannedNotification], counts: Counter[Key]
) -> dict[Key, int]:
    """Return how often each message arrived beyond the first time, if it did."""
    ours = {each.job_number for each in notifications}
    return {key: count - 1 for key, count in counts.items() if key[0] in ours and count > 1}


def unexpected(notifications: Iterable[PlannedNotification], counts: Counter[Key]) -> set[Key]:
    """Return the messages that arrived over a channel on which none was asked for."""
    replacements = {
        (each.job_number, Channel.EMAIL.value)
        for each in notifications
        if each.priority == Priority.HIGH
    }
    allowed = expected(notifications) | replacements
    ours = {each.job_number for each in notifications}
    return {key for key in counts if key[0] in ours and key not in allowed}


def count_refused_events(sandbox: RunningSandbox) -> int:
    """Count the events that the webhook refused; 409 means that it has the event already."""
    events = [event for mail in sandbox.messages(kind="email") for event in mail["events"]]
    return sum(
        not (event["status"] == 409 or 200 <= (event["status"] or 0) < 300) for event in events
    )
