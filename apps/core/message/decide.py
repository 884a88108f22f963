"""Decide what becomes of a message: sent, held or skipped, and why. Pure functions.

The first of these that applies decides:

1. STOP, a complaint, an unsubscription
2. whether the person can be reached at all
3. what the kind requires or forbids
4. what the person's company forces
5. the person's own choice
6. the company's default
7. the kind's default

What is then to be sent may have to wait: see `_hold`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from apps.core.models import Notification
from apps.core.models.preferences import ChoiceVia, RuleSetting, Setting
from apps.core.reasons import Reason, Verdict
from apps.core.states import Channel, Priority

from . import quiet_hours, routing
from .kinds import NotificationKind
from .people import Made, Person, Ruled

#: Choices that the law gives a person, whatever a kind or a company says.
LEGAL = {
    ChoiceVia.STOP: Reason.STOPPED,
    ChoiceVia.COMPLAINT: Reason.COMPLAINED,
    ChoiceVia.MAIL_CLIENT: Reason.UNSUBSCRIBED,
}
#: What `keeps_one_outside` overrules.
CHANGEABLE = frozenset(
    {
        Reason.PERSON_OFF,
        Reason.COMPANY_FORCED_OFF,
        Reason.COMPANY_DEFAULT_OFF,
        Reason.KIND_DEFAULT_OFF,
    }
)
FORCED = {
    RuleSetting.FORCED_ON: Reason.COMPANY_FORCED_ON,
    RuleSetting.FORCED_OFF: Reason.COMPANY_FORCED_OFF,
}
DEFAULT = {
    RuleSetting.DEFAULT_ON: Reason.COMPANY_DEFAULT_ON,
    RuleSetting.DEFAULT_OFF: Reason.COMPANY_DEFAULT_OFF,
}
_ON = frozenset(
    {
        Reason.KIND_REQUIRED,
        Reason.COMPANY_FORCED_ON,
        Reason.PERSON_ON,
        Reason.COMPANY_DEFAULT_ON,
        Reason.KIND_DEFAULT_ON,
    }
)


@dataclass(frozen=True)
class Decision:
    """What becomes of one delivery."""

    verdict: Verdict
    #: Why it is on, off or pointless.
    reason: Reason
    #: What it waits for, and until when, if it is held.
    held_for: Reason | None = None
    until: datetime | None = None
    #: Who made the choice or rule behind the reason, and when; None without one.
    by_id: Any = None
    at: datetime | None = None

    @property
    def code(self) -> Reason:
        """Return the code of the reason for the verdict."""
        return self.held_for or self.reason

    def columns(self) -> dict[str, Any]:
        """Return the columns of a delivery that keep this decision."""
        return {
            "decision": self.reason.value,
            "decided_by_id": self.by_id,
            "decided_at": self.at,
            "held_for": self.held_for.value if self.held_for else "",
            "release_at": self.until,
        }


def plan(
    kind: NotificationKind,
    person: Person,
    priority: Priority,
    now: datetime,
    *,
    served: Collection[Reason] = (),
) -> dict[Channel, Decision]:
    """Decide for each channel that a message of this kind and priority takes to the person.

    A priority that uses texts alone falls back to e-mail if texts cannot be used. A kind that
    keeps one way open overrules the choice or rule that switched off the last.
    """

    def decided(channel: Channel) -> Decision:
        return decide(kind, person, channel, now, priority=priority, served=served)

    channels = [*routing.CHANNELS[priority]]
    more = sorted(kind.required | kind.also)
    channels += [channel for channel in more if channel not in channels]
    found = {channel: decided(channel) for channel in channels}
    instead = routing.fallback(priority)
    if instead and instead not in found and _is_skipped(found):
        found[instead] = decided(instead)
    if found and kind.keeps_one_outside and _is_skipped(found):
        last = next((c for c in Channel if c in found and found[c].reason in CHANGEABLE), None)
        if last:
            found[last] = _hold(
                replace(found[last], verdict=Verdict.SEND, reason=Reason.KEPT_ONE),
                kind,
                person,
                last,
                now,
                priority,
                served,
            )
    return found


def decide(
    kind: NotificationKind,
    person: Person,
    channel: Channel,
    now: datetime,
    *,
    priority: Priority | None = None,
    served: Collection[Reason] = (),
) -> Decision:
    """Decide about one message on one channel.

    `priority` is the kind's, unless the message has its own. `served` are holds that it has waited
    for: those of the digest, the cap and the bundle are not repeated.
    """
    found = switch(kind, person, channel)
    if found.verdict == Verdict.SKIP:
        return found
    priority = kind.priority if priority is None else priority
    return _hold(found, kind, person, channel, now, priority, served)


def on_channel(
    kind: NotificationKind,
    person: Person,
    channel: Channel,
    now: datetime,
    *,
    priority: Priority,
    served: Collection[Reason] = (),
) -> Decision:
    """Decide about one delivery of a message, with a view to its other channels."""
    found = plan(kind, person, priority, now, served=served).get(channel)
    return found or decide(kind, person, channel, now, priority=priority, served=served)


def switch(kind: NotificationKind, person: Person, channel: Channel) -> Decision:
    """Decide whether messages of this kind go this way to the person at all: send, or skip."""
    category = kind.category.name
    own = [c for key in (category, "") if (c := person.choices.get((key, channel)))]
    for made in own:
        if made.setting == Setting.OFF and made.via in LEGAL:
            return _switched(LEGAL[made.via], made)
    if reason := person.unreachable.get(channel):
        return _switched(reason)
    if channel in kind.required:
        return _switched(Reason.KIND_REQUIRED)
    if channel in kind.forbidden:
        return _switched(Reason.KIND_FORBIDDEN)
    rules = [r for key in (category, "") if (r := person.rules.get((key, channel)))]
    for ruled in rules:
        if ruled.rule in FORCED:
            return _switched(FORCED[ruled.rule], ruled)
    if own:
        is_off = own[0].setting == Setting.OFF
        return _switched(Reason.PERSON_OFF if is_off else Reason.PERSON_ON, own[0])
    if rules:
        return _switched(DEFAULT[rules[0].rule], rules[0])
    is_on = kind.default is None or channel in kind.default
    return _switched(Reason.KIND_DEFAULT_ON if is_on else Reason.KIND_DEFAULT_OFF)


def is_daily(kind: NotificationKind, person: Person, channel: Channel) -> bool:
    """Return whether the person wants messages of this kind once a day."""
    made = person.choices.get((kind.category.name, channel)) or person.choices.get(("", channel))
    return made is not None and made.setting == Setting.DAILY


def _hold(
    found: Decision,
    kind: NotificationKind,
    person: Person,
    channel: Channel,
    now: datetime,
    priority: Priority,
    served: Collection[Reason],
) -> Decision:
    """Make a message wait for the pause, the digest and the quiet hours that apply, in that order.

    URGENT never waits, nor does a kind that says so; HIGH waits for no digest.
    """
    if priority == Priority.URGENT or kind.is_never_held:
        return found
    held_for: Reason | None = None
    until = now
    if person.paused_until and person.paused_until > now:
        held_for, until = Reason.PAUSED, person.paused_until
    waits = priority > Priority.HIGH and is_daily(kind, person, channel)
    if waits and Reason.DIGEST not in served:
        held_for = Reason.DIGEST
        until = quiet_hours.next_at(person.digest_hour, until, person.zone)
    allowed, quiet = _first_allowed(person, channel, until)
    if allowed > until and held_for is None:
        held_for = quiet
    if held_for is None:
        return found
    return replace(found, verdict=Verdict.HOLD, held_for=held_for, until=allowed)


def _first_allowed(person: Person, channel: Channel, moment: datetime) -> tuple[datetime, Reason]:
    """Return the first moment outside the quiet hours, and whose hours they are."""
    quiet = person.quiet
    try:
        own = quiet_hours.first_allowed(moment, person.zone, quiet)
    except quiet_hours.NeverAllowed:
        # The account page refuses such ranges. A message that waits forever would be lost.
        quiet, own = (), moment
    if channel != Channel.SMS or not person.text_quiet:
        return own, Reason.QUIET_HOURS
    try:
        both = (*quiet, *person.text_quiet)
        allowed = quiet_hours.first_allowed(moment, person.zone, both)
    except quiet_hours.NeverAllowed:
        # Somebody who works at night and sleeps by day: their own hours count.
        return own, Reason.QUIET_HOURS
    return allowed, Reason.QUIET_HOURS if own > moment else Reason.TEXT_HOURS


def _switched(reason: Reason, source: Made | Ruled | None = None) -> Decision:
    verdict = Verdict.SEND if reason in _ON else Verdict.SKIP
    if source is None:
        return Decision(verdict, reason)
    return Decision(verdict, reason, by_id=source.by_id, at=source.at)


def _is_skipped(found: dict[Channel, Decision]) -> bool:
    return all(each.verdict == Verdict.SKIP for each in found.values())


#: The cap counts the messages of this time.
CAP_WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class Earlier:
    """A message to the same person on the same channel that has left, or leaves first."""

    kind: str
    at: datetime


def spread(
    found: Decision,
    kind: NotificationKind,
    person: Person,
    channel: Channel,
    now: datetime,
    *,
    priority: Priority,
    earlier: Sequence[Earlier],
    cap: int,
    served: Collection[Reason] = (),
) -> Decision:
    """Hold a message that is to be sent now if too many came before it.

    `cap` is the number of messages within CAP_WINDOW, of all kinds and priorities; 0 is no limit.
    """
    if found.verdict != Verdict.SEND or priority == Priority.URGENT or kind.is_never_held:
        return found
    ends: dict[Reason, datetime] = {}
    if kind.bundle and Reason.BUNDLE not in served:
        alike = [each.at + kind.bundle for each in earlier if each.kind == kind.name]
        # The window opens with the first message, and those that wait for it do not move it.
        if open_until := min((end for end in alike if end > now), default=None):
            ends[Reason.BUNDLE] = open_until
    if cap and Reason.CAP not in served:
        leaving = sorted(each.at + CAP_WINDOW for each in earlier if each.at + CAP_WINDOW > now)
        if len(leaving) >= cap:
            ends[Reason.CAP] = leaving[-cap]
    if not ends:
        return found
    held_for = max(ends, key=lambda reason: ends[reason])
    allowed, _ = _first_allowed(person, channel, ends[held_for])
    return replace(found, verdict=Verdict.HOLD, held_for=held_for, until=allowed)


def stale(
    kind: NotificationKind, notification: Notification, now: datetime, *, in_digest: bool = False
) -> Decision | None:
    """Decide that a message has become pointless, or return None.

    A digest leaves out what was read in the app; other messages only if their kind says so.
    """
    if notification.settled_at:
        return Decision(Verdict.SKIP, Reason.SETTLED, at=notification.settled_at)
    if notification.read_at and (in_digest or kind.is_stale_when_read):
        return Decision(Verdict.SKIP, Reason.READ, at=notification.read_at)
    if kind.expires_after and notification.visible_from + kind.expires_after <= now:
        return Decision(
            Verdict.SKIP, Reason.EXPIRED, at=notification.visible_from + kind.expires_after
        )
    return None
