"""The page's buttons for faults, and the rules that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sandbox.faults.rule import EventScript
from sandbox.store import Channel

from .client import ActiveRule
from .sentences import NOUNS, PROVIDERS, describe


class Button(NamedTuple):
    """A button's label, and the fields of its rule."""

    label: str
    fields: Mapping[str, Any]


class Panel(NamedTuple):
    """The buttons for the next message to one address."""

    channel: Channel
    noun: str
    to: str
    buttons: Mapping[str, Button]
    #: Less common buttons, by heading.
    more: Mapping[str, Mapping[str, Button]]


_COMMON = {
    "refuse": Button("Refuse permanently", {"answer": "permanent"}),
    "fail": Button("Refuse temporarily", {"answer": "transient"}),
    "time-out": Button("Time out after acceptance", {"answer": "accept_then_hang"}),
}
#: For the next message to one person.
NEXT: Mapping[Channel, Mapping[str, Button]] = {
    "email": {
        "bounce": Button("Bounce", {"events": {"outcome": "bounce"}}),
        "complain": Button("Complain", {"events": {"outcome": "complaint"}}),
        "delay": Button("Delay", {"events": {"outcome": "delay"}}),
        **_COMMON,
    },
    "sms": {
        "lose": Button("Fail to deliver", {"events": {"outcome": "bounce"}}),
        "opt-out": Button("Opt out (STOP)", {"events": {"outcome": "opt_out"}}),
        **_COMMON,
    },
}
_ANSWER = {
    "hang": Button("Hang before acceptance", {"answer": "hang"}),
    # 5 s is within the time-outs of the application's calls.
    "slow": Button("Answer 5 s late", {"answer": "slow", "after_s": 5}),
    "drop": Button("Disconnect after acceptance", {"answer": "accept_then_drop"}),
}
_EVENTS = {
    "late": Button("Events 20 s late", {"events": {"timing": "late", "late_s": 20}}),
    "twice": Button("Events twice", {"events": {"copies": 2}}),
    "early": Button("Events before the answer", {"events": {"timing": "early"}}),
    "reversed": Button("Events in reverse order", {"events": {"reversed": True}}),
}
#: A text has one receipt, which the application reads from a log: it has no order.
_RECEIPT = {
    "late": Button("Receipt 20 s late", _EVENTS["late"].fields),
    "twice": Button("Receipt twice", _EVENTS["twice"].fields),
}
#: More for the next message to one person, by heading.
MORE: Mapping[Channel, Mapping[str, Mapping[str, Button]]] = {
    "email": {"Answer": _ANSWER, "Events": _EVENTS},
    "sms": {"Answer": _ANSWER, "Receipt": _RECEIPT},
}
#: For everyone, for a while.
SWITCHES: Mapping[str, Button] = {
    "down": Button("Take down for 20 s", {"answer": "refuse", "for_s": 20}),
    "throttle": Button("Throttle for 20 s", {"answer": "throttle", "for_s": 20}),
    "credentials": Button("Refuse credentials for 60 s", {"answer": "credentials", "for_s": 60}),
}


@dataclass(frozen=True)
class Provider:
    """A provider and the faults that it has for everyone."""

    channel: Channel
    name: str
    noun: str
    state: str
    is_working: bool


def panel(to: str) -> Panel:
    """Return the buttons for an e-mail address or a phone number."""
    channel: Channel = "email" if "@" in to else "sms"
    return Panel(channel, NOUNS[channel], to, NEXT[channel], MORE[channel])


def find(channel: Channel, name: str) -> Button | None:
    """Return a button for the next message of a channel, or None if there is no such button."""
    groups = [NEXT[channel], *MORE[channel].values()]
    return next((group[name] for group in groups if name in group), None)


def providers(rules: list[ActiveRule]) -> list[Provider]:
    """Return both providers with the faults that they have for everyone."""
    return [_provider(channel, rules) for channel in PROVIDERS]


def is_for_everyone(rule: ActiveRule, channel: Channel) -> bool:
    return rule.to is None and rule.is_about(channel)


def scripts_for_next(
    rules: list[ActiveRule], channel: Channel, to: str
) -> Mapping[int, EventScript]:
    """Return the rules, by ID, that set only the events of the next message to an address."""
    return {
        rule.id: rule.events
        for rule in rules
        if rule.events and not rule.answer
        if (rule.channel, rule.to, rule.times) == (channel, to, 1)
    }


def _provider(channel: Channel, rules: list[ActiveRule]) -> Provider:
    faults = [rule for rule in rules if is_for_everyone(rule, channel)]
    state = " · ".join(describe(rule, {}) for rule in reversed(faults)) or "Works normally"
    return Provider(channel, PROVIDERS[channel], NOUNS[channel], state, is_working=not faults)
