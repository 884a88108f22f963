"""What a person's last month would have been under other settings. Pure: nothing is sent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.translation import gettext

from apps.core.message import decide, kinds
from apps.core.message.people import Person
from apps.core.models import Notification
from apps.core.reasons import HOLD_REASONS, Reason, Verdict
from apps.core.states import Channel, Priority

#: Returns what a text message would have cost, in US dollars.
Price = Callable[[Notification], Decimal]
#: Shorter waits are no news.
SHORTEST_WAIT = timedelta(minutes=1)


@dataclass(frozen=True)
class Wait:
    """A message that would have reached the person outside the app only later."""

    notification: Notification
    until: datetime
    #: Why, in words.
    reason: str
    #: Another person waits for the answer.
    is_approval: bool

    @property
    def lasted(self) -> timedelta:
        return self.until - self.notification.visible_from


@dataclass
class Replay:
    """Counts of messages, by the way in which they would have come."""

    messages: int = 0
    emails: int = 0
    #: Mails that bundle others, and what they would have contained.
    digests: int = 0
    items: int = 0
    texts: int = 0
    cost: Decimal = Decimal(0)
    app_only: int = 0
    waits: list[Wait] = field(default_factory=list)

    @property
    def approvals_that_waited(self) -> list[Wait]:
        return sorted(
            (wait for wait in self.waits if wait.is_approval),
            key=lambda wait: wait.lasted,
            reverse=True,
        )


def replay(messages: Iterable[Notification], person: Person, price: Price) -> Replay:
    """Decide about these messages again, each at its own time, as the engine would have.

    Without the cap and the bundles, which depend on what else was sent, and without a present
    pause.
    """
    person = replace(person, paused_until=None)
    found, digests = Replay(), set()
    for row in messages:
        kind = kinds.REGISTRY.get(row.kind)
        if not kind:
            continue
        found.messages += 1
        plan = decide.plan(kind, person, Priority(row.priority), row.visible_from)
        ways = {c: d for c, d in plan.items() if d.verdict != Verdict.SKIP}
        if not ways:
            found.app_only += 1
        for channel, decision in ways.items():
            if decision.held_for == Reason.DIGEST:
                found.items += 1
                digests.add((channel, decision.until))
            elif channel == Channel.SMS:
                found.texts += 1
                found.cost += price(row)
            else:
                found.emails += 1
        if wait := _wait(row, kind, list(ways.values())):
            found.waits.append(wait)
    found.digests = len(digests)
    return found


def _wait(
    row: Notification, kind: kinds.NotificationKind, ways: list[decide.Decision]
) -> Wait | None:
    """Return the wait until the first way is open, or None if one was open at once."""
    if not ways or any(way.until is None for way in ways):
        return None
    first = min(ways, key=lambda way: way.until or row.visible_from)
    assert first.until
    assert first.held_for
    if first.until - row.visible_from < SHORTEST_WAIT:
        return None
    return Wait(row, first.until, gettext(HOLD_REASONS[first.held_for]), kind.goes_to_deputy)
