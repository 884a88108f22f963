"""Describes rules in sentences."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from django.utils import timezone
from django.utils.formats import date_format

from sandbox.faults.rule import EventScript, Rule
from sandbox.store import Channel

from .client import ActiveRule

NOUNS: Mapping[Channel | None, str] = {"email": "e-mail", "sms": "text", None: "message"}
PROVIDERS: Mapping[Channel, str] = {"email": "SES", "sms": "SNS"}

_ANSWERS = {
    "hang": "is never answered",
    "accept_then_hang": "is accepted, but never answered",
    "accept_then_drop": "is accepted, but its connection is closed",
    "drop": "is not accepted, and its connection is closed",
    "throttle": "is throttled",
    "transient": "is refused temporarily",
    "permanent": "is refused permanently",
    "quota": "is refused because of the daily quota",
    "paused": "is refused because the account is paused",
    "accept_then_transient": "is accepted, but answered as refused temporarily",
    "garbage": "is answered with garbage",
    "empty": "gets an empty answer",
    "html": "is answered with HTML",
    "cut": "gets half an answer",
    "redirect": "is answered with a redirect",
    "accept_then_garbage": "is accepted, but answered with garbage",
    "accept_then_empty": "is accepted, but gets an empty answer",
    "accept_then_html": "is accepted, but answered with HTML",
    "accept_then_cut": "is accepted, but gets half an answer",
    "accept_then_redirect": "is accepted, but answered with a redirect",
}
_OUTCOMES = {
    "delivered": "is delivered",
    "bounce": "bounces",
    "soft_bounce": "bounces temporarily",
    "complaint": "is reported as spam",
    "reject": "is rejected for its content",
    "delay": "is delayed",
    "opt_out": "is answered with STOP",
    "none": "has no events",
}


def describe(rule: ActiveRule, names: Mapping[str, str]) -> str:
    """Return a sentence about what a rule does; `names` has names by lower-case address."""
    if rule.answer in ("refuse", "credentials"):
        sentence = _channel_wide(rule)
    else:
        sentence = f"{_which(rule, names)} {_does(rule)}"
    return f"{sentence}{_until(rule)}"


def _channel_wide(rule: ActiveRule) -> str:
    names = [name for channel, name in PROVIDERS.items() if rule.is_about(channel)]
    verb = "refuse" if len(names) > 1 else "refuses"
    what = "every connection" if rule.answer == "refuse" else "our credentials"
    return f"{' and '.join(names)} {verb} {what}"


def _which(rule: ActiveRule, names: Mapping[str, str]) -> str:
    noun = NOUNS[rule.channel]
    to = f" to {names.get(rule.to.casefold(), rule.to)}" if rule.to else ""
    left = rule.times - rule.used if rule.times else 0
    if left == 1:
        which = f"The next {noun}{to}"
    elif left:
        which = f"Each of the next {left} {noun}s{to}"
    else:
        which = f"Every {noun}{to}"
    return f"{which}, with a chance of {rule.share:.0%}," if rule.share < 1 else which


def _does(rule: Rule) -> str:
    verbs = []
    if rule.answer == "slow":
        verbs.append(f"is answered {rule.after_s:g} s late")
    elif rule.answer:
        verbs.append(_ANSWERS[rule.answer])
    if script := rule.events:
        if script.outcome == "bounce" and rule.channel == "sms":
            verbs.append("is not delivered")
        elif script.outcome:
            verbs.append(_OUTCOMES[script.outcome])
        if how := ", ".join(_timing(script)):
            verbs.append(f"gets its {_feedback(rule)} {how}")
    return " and ".join(verbs) or f"gets its {_feedback(rule)} as usual"


def _feedback(rule: Rule) -> str:
    return "receipt" if rule.channel == "sms" else "events"


def _timing(script: EventScript) -> Iterator[str]:
    if script.copies > 1:
        yield "twice" if script.copies == 2 else f"{script.copies} times"
    if script.reversed:
        yield "in reverse order"
    if script.timing == "early":
        yield "before the send call is answered"
    elif script.timing == "late":
        yield f"{script.late_s:g} s late"


def _until(rule: ActiveRule) -> str:
    if rule.left_s is None:
        return ""
    end = timezone.localtime(timezone.now() + timedelta(seconds=rule.left_s))
    return f" until {date_format(end, 'g:i:s A')}"
