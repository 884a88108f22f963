"""The faults that the stand-ins are told to have."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from sandbox.new_rule import KEEPING, OF_THE_CHANNEL, NewRule, Telling
from sandbox.store import Kind


@dataclass
class Rule:
    """A rule in force; `ends_at` is on the monotonic clock."""

    id: int
    says: NewRule
    ends_at: float | None
    used: int = 0

    @property
    def is_over(self) -> bool:
        """Whether its time has passed, or it has applied as often as it was to."""
        late = self.ends_at is not None and time.monotonic() >= self.ends_at
        return late or (self.says.times is not None and self.used >= self.says.times)

    def matches(self, kind: Kind, recipients: Sequence[str]) -> bool:
        """Whether it is about such a message."""
        to = self.says.to
        return self.says.is_about(kind) and (
            to is None or to.casefold() in map(str.casefold, recipients)
        )

    def as_json(self) -> dict[str, Any]:
        """As the API shows it; `left_s` is the seconds until it ends by itself."""
        left = None if self.ends_at is None else round(self.ends_at - time.monotonic(), 3)
        return {"id": self.id, **self.says.model_dump(), "used": self.used, "left_s": left}


class Decision(NamedTuple):
    """What becomes of one message."""

    answer: NewRule | None
    telling: Telling


class Rules:
    """The rules in force, the oldest first."""

    def __init__(self, seed: int) -> None:
        """`seed`: of the generator that decides where a rule applies to a share of the calls."""
        self.seed = seed
        self._random = random.Random(seed)
        self._numbers = count(1)
        self._rules: list[Rule] = []

    def add(self, new: NewRule) -> Rule:
        """Put a rule in force, from now on."""
        ends_at = None if new.for_s is None else time.monotonic() + new.for_s
        rule = Rule(next(self._numbers), new, ends_at)
        self._rules.append(rule)
        return rule

    def in_force(self) -> list[Rule]:
        """Those that may still apply."""
        self._rules = [rule for rule in self._rules if not rule.is_over]
        return self._rules

    def end(self, rule_id: int) -> bool:
        """End one; whether it was in force."""
        kept = [rule for rule in self.in_force() if rule.id != rule_id]
        ended = len(kept) < len(self._rules)
        self._rules = kept
        return ended

    def clear(self) -> None:
        """End all of them."""
        self._rules = []

    def refuses(self, kind: Kind) -> bool:
        """Whether nobody is to be let in on that channel."""
        return any(
            rule.says.answer == "refuse" and rule.says.is_about(kind) for rule in self.in_force()
        )

    def doubts_credentials(self, kind: Kind) -> bool:
        """Whether this call's credentials are to be refused; the rule that says so is used."""
        doubting = [rule for rule in self.in_force() if rule.says.answer == "credentials"]
        for rule in self._applying(doubting, kind, ()):
            rule.used += 1
            return True
        return False

    def decide(self, kind: Kind, recipients: Sequence[str]) -> Decision:
        """What becomes of a message that would be taken; the rules that say so are used."""
        deciding = [rule for rule in self.in_force() if rule.says.answer not in OF_THE_CHANNEL]
        applying = self._applying(deciding, kind, recipients)
        answering = next((rule for rule in applying if rule.says.answer), None)
        telling = None
        if answering is None or answering.says.answer in KEEPING:
            telling = next((rule for rule in applying if rule.says.events), None)
        for rule in {id(rule): rule for rule in (answering, telling) if rule}.values():
            rule.used += 1
        return Decision(
            answering.says if answering else None,
            (telling.says.events if telling else None) or Telling(),
        )

    def _applying(self, rules: list[Rule], kind: Kind, recipients: Sequence[str]) -> list[Rule]:
        """Those that are about such a message and that the dice let apply, the newest first."""
        return [
            rule
            for rule in reversed(rules)
            if rule.matches(kind, recipients)
            and (rule.says.share == 1 or self._random.random() < rule.says.share)
        ]
