"""The rules in force."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from sandbox.faults.rule import ACCEPTING, CHANNEL_WIDE, EventScript, Rule
from sandbox.store import Channel


@dataclass
class ActiveRule:
    """A rule in force; `ends_at` is on the monotonic clock."""

    id: int
    rule: Rule
    ends_at: float | None
    used: int = 0

    @property
    def is_over(self) -> bool:
        """Return whether its time has passed or it has applied `times` times."""
        is_late = self.ends_at is not None and time.monotonic() >= self.ends_at
        return is_late or (self.rule.times is not None and self.used >= self.rule.times)

    def matches(self, channel: Channel, recipients: Sequence[str]) -> bool:
        to = self.rule.to
        return self.rule.is_about(channel) and (
            to is None or to.casefold() in map(str.casefold, recipients)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the rule as the API shows it; `left_s` is the seconds until it ends by itself."""
        left = None if self.ends_at is None else round(self.ends_at - time.monotonic(), 3)
        return {"id": self.id, **self.rule.model_dump(), "used": self.used, "left_s": left}


class Decision(NamedTuple):
    """What happens to one message."""

    #: The rule whose `answer` applies, if any.
    rule: Rule | None
    events: EventScript


class Rules:
    """The rules in force, oldest first."""

    def __init__(self, seed: int) -> None:
        """`seed`: for the random choice of the calls that a rule with a `share` applies to."""
        self.seed = seed
        self._random = random.Random(seed)
        self._ids = count(1)
        self._rules: list[ActiveRule] = []

    def add(self, rule: Rule) -> ActiveRule:
        ends_at = None if rule.for_s is None else time.monotonic() + rule.for_s
        active = ActiveRule(next(self._ids), rule, ends_at)
        self._rules.append(active)
        return active

    def in_force(self) -> list[ActiveRule]:
        """Return the rules that may still apply."""
        self._rules = [each for each in self._rules if not each.is_over]
        return self._rules

    def end(self, rule_id: int) -> bool:
        """End a rule; return False if it was not in force."""
        kept = [each for each in self.in_force() if each.id != rule_id]
        has_ended = len(kept) < len(self._rules)
        self._rules = kept
        return has_ended

    def clear(self) -> None:
        self._rules = []

    def refuses_connections(self, channel: Channel) -> bool:
        return any(
            each.rule.answer == "refuse" and each.rule.is_about(channel) for each in self.in_force()
        )

    def use_credentials_rule(self, channel: Channel) -> bool:
        """Count one use of a rule that refuses this call's credentials; False if there is none."""
        candidates = [each for each in self.in_force() if each.rule.answer == "credentials"]
        for active in self._applying(candidates, channel, ()):
            active.used += 1
            return True
        return False

    def decide(self, channel: Channel, recipients: Sequence[str]) -> Decision:
        """Decide about a message that would be accepted, and count the use of the rules."""
        candidates = [each for each in self.in_force() if each.rule.answer not in CHANNEL_WIDE]
        applying = self._applying(candidates, channel, recipients)
        answering = next((each for each in applying if each.rule.answer), None)
        scripting = None
        if answering is None or answering.rule.answer in ACCEPTING:
            scripting = next((each for each in applying if each.rule.events), None)
        for active in {id(each): each for each in (answering, scripting) if each}.values():
            active.used += 1
        return Decision(
            answering.rule if answering else None,
            (scripting.rule.events if scripting else None) or EventScript(),
        )

    def _applying(
        self, candidates: list[ActiveRule], channel: Channel, recipients: Sequence[str]
    ) -> list[ActiveRule]:
        """Return the rules that match and that the random choice lets apply, newest first."""
        return [
            each
            for each in reversed(candidates)
            if each.matches(channel, recipients)
            and (each.rule.share == 1 or self._random.random() < each.rule.share)
        ]
