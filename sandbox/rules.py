"""The faults that the stand-ins are told to have."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox.store import Kind

Answer = Literal[
    "refuse", "hang", "slow", "accept_then_hang", "accept_then_drop", "drop", "throttle",
    "transient", "permanent", "quota", "credentials", "paused",
]  # fmt: skip

#: With these the message is taken all the same, so that there is something to report of it.
KEEPING: frozenset[Answer] = frozenset({"slow", "accept_then_hang", "accept_then_drop"})
#: These are about a whole channel, before anybody knows for whom a message is.
OF_THE_CHANNEL: frozenset[Answer] = frozenset({"refuse", "credentials"})

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class NewRule(BaseModel):
    """What `POST /api/rules` takes; docs/sandbox.md says what each field does."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    channel: Kind | None = None
    to: str | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    for_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    answer: Answer | None = None
    after_s: Seconds = 0.0

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.answer is None:
            raise ValueError("a rule needs an answer")
        return self

    @model_validator(mode="after")
    def _is_for_a_whole_channel(self) -> Self:
        some = (self.to, self.share, self.times) != (None, 1, None)
        if self.answer == "refuse" and some:
            raise ValueError("refuse is for a whole channel: leave out to, share and times")
        if self.answer == "credentials" and self.to is not None:
            raise ValueError("credentials are those of a whole channel: leave out to")
        return self

    @model_validator(mode="after")
    def _exists_at_the_provider(self) -> Self:
        if self.channel and not self.is_about(self.channel):
            raise ValueError("SNS has no daily quota: for quota, channel must be email or null")
        return self

    def is_about(self, kind: Kind) -> bool:
        """Whether it can concern that channel at all."""
        return self.channel in (None, kind) and not (self.answer == "quota" and kind == "sms")


def read(body: str | bytes) -> NewRule:
    """The rule that a JSON document asks for; ValueError with a sentence says what is wrong."""
    try:
        return NewRule.model_validate_json(body)
    except ValidationError as error:
        raise ValueError("; ".join(_sentence(dict(found)) for found in error.errors())) from error


def _sentence(error: dict[str, Any]) -> str:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{field} is not a field of a rule; its fields are {', '.join(NewRule.model_fields)}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    said = error["msg"].replace("Input should be", "must be", 1)
    return f"{field} {said}" if field else f"The body must be a JSON object: {said}"


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
        answering = next(iter(self._applying(deciding, kind, recipients)), None)
        if answering:
            answering.used += 1
        return Decision(answering.says if answering else None)

    def _applying(self, rules: list[Rule], kind: Kind, recipients: Sequence[str]) -> list[Rule]:
        """Those that are about such a message and that the dice let apply, the newest first."""
        return [
            rule
            for rule in reversed(rules)
            if rule.matches(kind, recipients)
            and (rule.says.share == 1 or self._random.random() < rule.says.share)
        ]
