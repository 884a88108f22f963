"""The faults that the page's buttons make, and what each rule in force does, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.formats import date_format

from sandbox.new_rule import NewRule, Telling
from sandbox.store import Kind

from .feed import Rule

NOUNS: Mapping[Kind | None, str] = {"email": "e-mail", "sms": "text", None: "message"}
PROVIDERS: Mapping[Kind, str] = {"email": "SES", "sms": "SNS"}


class Button(NamedTuple):
    """What a button says, and what it makes of the rule."""

    label: str
    fields: Mapping[str, Any]


class Panel(NamedTuple):
    """The buttons for the next message to one address."""

    channel: Kind
    noun: str
    to: str
    buttons: Mapping[str, Button]
    #: The less common ones, by what they are about.
    more: Mapping[str, Mapping[str, Button]]


_FOR_EITHER = {
    "refuse": Button("Refuse for good", {"answer": "permanent"}),
    "fail": Button("Fail once", {"answer": "transient"}),
    "time-out": Button("Time out after acceptance", {"answer": "accept_then_hang"}),
}
#: For the next message to one person.
NEXT: Mapping[Kind, Mapping[str, Button]] = {
    "email": {
        "bounce": Button("Bounce", {"events": {"outcome": "bounce"}}),
        "complain": Button("Complain", {"events": {"outcome": "complaint"}}),
        "delay": Button("Delay", {"events": {"outcome": "delay"}}),
        **_FOR_EITHER,
    },
    "sms": {
        "lose": Button("Fail to deliver", {"events": {"outcome": "bounce"}}),
        "opt-out": Button("Opt out (STOP)", {"events": {"outcome": "opt_out"}}),
        **_FOR_EITHER,
    },
}
_ANSWER = {
    "hang": Button("Hang before acceptance", {"answer": "hang"}),
    # Within the time-outs of our own calls.
    "slow": Button("Answer 5 s late", {"answer": "slow", "after_s": 5}),
    "drop": Button("Drop after acceptance", {"answer": "accept_then_drop"}),
}
_REPORTS = {
    "late": Button("Report 20 s late", {"events": {"timing": "late", "late_s": 20}}),
    "twice": Button("Report twice", {"events": {"copies": 2}}),
}
#: Not of texts: each has one receipt, and it is read from a log.
_PUSHED = {
    "early": Button("Report early", {"events": {"timing": "early"}}),
    "reversed": Button("Report in reverse order", {"events": {"reversed": True}}),
}
#: For the next message to one person as well, by what they are about.
MORE: Mapping[Kind, Mapping[str, Mapping[str, Button]]] = {
    "email": {"Its answer": _ANSWER, "Its reports": {**_REPORTS, **_PUSHED}},
    "sms": {"Its answer": _ANSWER, "Its reports": _REPORTS},
}
#: For everybody, for a while.
SWITCHES: Mapping[str, Button] = {
    "down": Button("Take down for 20 s", {"answer": "refuse", "for_s": 20}),
    "throttle": Button("Throttle for 20 s", {"answer": "throttle", "for_s": 20}),
    "credentials": Button("Wrong credentials for 60 s", {"answer": "credentials", "for_s": 60}),
}

_ANSWERS = {
    "hang": "is never answered",
    "accept_then_hang": "is taken, but its sender hears nothing",
    "accept_then_drop": "is taken, but its sender is cut off",
    "drop": "is not taken, and its sender is cut off",
    "throttle": "is throttled",
    "transient": "is refused for the moment",
    "permanent": "is refused for good",
    "quota": "finds the daily quota used up",
    "paused": "finds the account paused",
}
_OUTCOMES = {
    "delivered": "is delivered",
    "bounce": "bounces",
    "soft_bounce": "bounces for the moment",
    "complaint": "is reported as spam",
    "reject": "is rejected for its content",
    "delay": "is delayed on its way",
    "opt_out": "is answered with STOP",
    "none": "is never reported on",
}


@dataclass(frozen=True)
class Provider:
    """One of the two, and the state that it is in."""

    channel: Kind
    name: str
    carries: str
    state: str
    works: bool


def panel(to: str) -> Panel:
    """The buttons for an e-mail address or a phone number."""
    channel: Kind = "email" if "@" in to else "sms"
    return Panel(channel, NOUNS[channel], to, NEXT[channel], MORE[channel])


def button(channel: Kind, name: str) -> Button | None:
    """One of the buttons for the next message of a channel; None where there is none."""
    groups = [NEXT[channel], *MORE[channel].values()]
    return next((group[name] for group in groups if name in group), None)


def providers(rules: list[Rule]) -> list[Provider]:
    """Both, as the rules that are for everybody leave them."""
    return [_provider(kind, rules) for kind in PROVIDERS]


def for_everybody(rule: Rule, channel: Kind) -> bool:
    """Whether a rule is about all of a channel, and not about one person's messages."""
    return rule.to is None and rule.is_about(channel)


def told_of_the_next(rules: list[Rule], channel: Kind, to: str) -> Mapping[int, Telling]:
    """By their ids, the rules that say what is reported of the next message there, and no more."""
    return {
        rule.id: rule.events
        for rule in rules
        if rule.events and not rule.answer
        if (rule.channel, rule.to, rule.times) == (channel, to, 1)
    }


def words(rule: Rule, names: Mapping[str, str]) -> str:
    """What a rule does, as a sentence; `names` are people's, by their addresses in lower case."""
    if rule.answer in ("refuse", "credentials"):
        said = _of_the_channel(rule)
    else:
        said = f"{_which(rule, names)} {_does(rule)}"
    return f"{said}{_until(rule)}"


def _provider(channel: Kind, rules: list[Rule]) -> Provider:
    about = [rule for rule in rules if for_everybody(rule, channel)]
    name = PROVIDERS[channel]
    state = " · ".join(words(rule, {}) for rule in reversed(about)) or "Works normally"
    return Provider(channel, name, f"{NOUNS[channel]}s", state, works=not about)


def _of_the_channel(rule: Rule) -> str:
    names = [name for kind, name in PROVIDERS.items() if rule.is_about(kind)]
    refuse = "refuse" if len(names) > 1 else "refuses"
    what = "every connection" if rule.answer == "refuse" else "our credentials"
    return f"{' and '.join(names)} {refuse} {what}"


def _which(rule: Rule, names: Mapping[str, str]) -> str:
    noun = NOUNS[rule.channel]
    to = f" to {names.get(rule.to.casefold(), rule.to)}" if rule.to else ""
    left = rule.times - rule.used if rule.times else 0
    if left == 1:
        which = f"The next {noun}{to}"
    elif left:
        which = f"Each of the next {left} {noun}s{to}"
    else:
        which = f"Every {noun}{to}"
    return f"{which}, by a chance of {rule.share:.0%}," if rule.share < 1 else which


def _does(rule: NewRule) -> str:
    done = []
    if rule.answer == "slow":
        done.append(f"is answered {rule.after_s:g} s late")
    elif rule.answer:
        done.append(_ANSWERS[rule.answer])
    if told := rule.events:
        if told.outcome == "bounce" and rule.channel == "sms":
            done.append("is not delivered")
        elif told.outcome:
            done.append(_OUTCOMES[told.outcome])
        if how := ", ".join(_reported(told)):
            done.append(f"is reported on {how}")
    return " and ".join(done) or "is reported on as usual"


def _reported(told: Telling) -> Iterator[str]:
    if told.copies > 1:
        yield "twice" if told.copies == 2 else f"{told.copies} times"
    if told.reversed:
        yield "in reverse order"
    if told.timing == "early":
        yield "before its sender is answered"
    elif told.timing == "late":
        yield f"{told.late_s:g} s late"


def _until(rule: Rule) -> str:
    if rule.left_s is None:
        return ""
    return f" until {_clock(timezone.now() + timedelta(seconds=rule.left_s))}"


def _clock(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "g:i:s A")
