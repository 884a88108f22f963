"""What arrived, held against what was accepted, and what the log says about the difference.

The sandbox is the witness: messages are counted there, by the mark that each one carries. The
application's own log is heard on one question alone: whether an outcome was known to be unknown,
and a message that arrived twice sent again openly for it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.states import UNKNOWN_EVENTS, Channel, DeliveryState, LogEvent, Priority
from chaos.producer import Order
from sandbox.testing import RunningSandbox

#: A message by its mark and the channel it came over.
Key = tuple[str, str]

_MARK = re.compile(r"\bC-\d{6}\b")


class Arrivals:
    """How often each message arrived at the sandbox, read page after page."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.times: Counter[Key] = Counter()
        self._sandbox = sandbox
        self._last_seq = 0

    def read(self) -> Counter[Key]:
        """The counts, brought up to date."""
        for message in self._sandbox.messages(since=self._last_seq):
            self._last_seq = message["seq"]
            if mark := mark_of(message):
                self.times[mark, message["kind"]] += 1
        return self.times


def mark_of(message: dict[str, Any]) -> str:
    """The mark that a message of the sandbox carries; empty where it has none."""
    found = _MARK.search(message["subject"] if message["kind"] == "email" else message["body"])
    return found[0] if found else ""


def events_refused(sandbox: RunningSandbox) -> int:
    """The events that the application would not take; 409 says that it has them already."""
    told = [event for mail in sandbox.messages(kind="email") for event in mail["events"]]
    return sum(
        not (event["status"] == 409 or 200 <= (event["status"] or 0) < 300) for event in told
    )


def expected(orders: Iterable[Order]) -> set[Key]:
    """What must arrive. Of a HIGH one the text, or the e-mail that stands in for it."""
    return {
        (order.mark, channel.value) for order in orders for channel in _CHANNELS[order.priority]
    }


_CHANNELS: dict[Priority, tuple[Channel, ...]] = {
    Priority.URGENT: (Channel.EMAIL, Channel.SMS),
    Priority.HIGH: (Channel.SMS,),
    Priority.MEDIUM: (Channel.EMAIL,),
}


def missing(orders: Iterable[Order], times: Counter[Key]) -> set[Key]:
    """What was accepted and has not arrived."""
    stand_ins = {order.mark for order in orders if order.priority == Priority.HIGH}
    return {
        (mark, channel)
        for mark, channel in expected(orders)
        if not times[mark, channel] and not (mark in stand_ins and times[mark, Channel.EMAIL.value])
    }


def duplicates(orders: Iterable[Order], times: Counter[Key]) -> dict[Key, int]:
    """What arrived more than once, and how often too often."""
    marks = {order.mark for order in orders}
    return {key: number - 1 for key, number in times.items() if key[0] in marks and number > 1}


def never_accepted(orders: Iterable[Order], times: Counter[Key]) -> set[Key]:
    """What arrived without having been accepted, over that channel at least."""
    allowed = expected(orders) | {
        (order.mark, Channel.EMAIL.value) for order in orders if order.priority == Priority.HIGH
    }
    marks = {order.mark for order in orders}
    return {key for key in times if key[0] in marks and key not in allowed}


@dataclass(frozen=True)
class Story:
    """What the log says about one delivery."""

    #: Whether there was a time when nobody knew if the provider had it.
    unknown: bool
    #: How often it was sent again after such a time.
    resent: int


def stories(orders: Iterable[Order]) -> dict[Key, Story]:
    """The stories of all deliveries of these orders."""
    marks = [order.mark for order in orders]
    rows = Delivery.objects.filter(notification__dedup_key__in=marks)
    states = {
        (mark, channel): state
        for mark, channel, state in rows.values_list("notification__dedup_key", "channel", "state")
    }
    lines: dict[Key, list[tuple[int, str]]] = {key: [] for key in states}
    log = NotificationDeliveryLog.objects.filter(delivery__notification__dedup_key__in=marks)
    for mark, channel, attempt, event in log.order_by("at", "id").values_list(
        "delivery__notification__dedup_key", "delivery__channel", "attempt", "event"
    ):
        lines[mark, channel].append((attempt, event))
    return {key: _story(lines[key], states[key]) for key in states}


def _story(lines: Iterable[tuple[int, str]], state: str) -> Story:
    unknown, resent = False, 0
    for _, event in lines:
        if event in UNKNOWN_EVENTS:
            unknown = True
        elif event == LogEvent.RESEND:
            resent += unknown
    return Story(unknown or state == DeliveryState.UNKNOWN, resent)


def unexplained(twice: dict[Key, int], known: dict[Key, Story]) -> list[Key]:
    """Those that arrived more often than the log's policy for unknown outcomes accounts for."""
    return [key for key, number in twice.items() if key not in known or known[key].resent < number]


def unfinished() -> int:
    """Deliveries that something is still going to be done about, without a person."""
    moving = (DeliveryState.DUE, DeliveryState.SENDING, DeliveryState.RETRYING)
    waiting = Delivery.objects.filter(state=DeliveryState.UNKNOWN, next_attempt_at__isnull=False)
    return Delivery.objects.filter(state__in=moving).count() + waiting.count()
