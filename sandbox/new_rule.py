"""What a rule may say, and the sentences for what it may not."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox.store import Kind

Outcome = Literal[
    "delivered", "bounce", "soft_bounce", "complaint", "reject", "delay", "opt_out", "none",
]  # fmt: skip
Answer = Literal[
    "refuse", "hang", "slow", "accept_then_hang", "accept_then_drop", "drop", "throttle",
    "transient", "permanent", "quota", "credentials", "paused",
]  # fmt: skip

#: With these the message is taken all the same, so that there is something to report of it.
KEEPING: frozenset[Answer] = frozenset({"slow", "accept_then_hang", "accept_then_drop"})
#: These are about a whole channel, before anybody knows for whom a message is.
OF_THE_CHANNEL: frozenset[Answer] = frozenset({"refuse", "credentials"})

#: What can be told of a message that was taken.
OUTCOMES: Mapping[Kind, frozenset[str]] = {
    "email": frozenset(
        {"delivered", "bounce", "soft_bounce", "complaint", "reject", "delay", "none"}
    ),
    "sms": frozenset({"delivered", "bounce", "opt_out", "none"}),
}

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """A JSON object that has its known fields and no others, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Telling(Strict):
    """What is told of a message that was taken, and when."""

    #: None: what its address would get.
    outcome: Outcome | None = None
    timing: Literal["on_time", "early", "late"] = "on_time"
    late_s: Seconds = 5.0
    copies: Annotated[int, Field(ge=1, le=10)] = 1
    reversed: bool = False

    @property
    def held_back_s(self) -> float:
        """Seconds by which everything is told later than usual."""
        return self.late_s if self.timing == "late" else 0.0


class NewRule(Strict):
    """What `POST /api/rules` takes; docs/sandbox.md says what each field does."""

    channel: Kind | None = None
    to: str | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    for_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    answer: Answer | None = None
    after_s: Seconds = 0.0
    events: Telling | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.answer is None and self.events is None:
            raise ValueError("a rule needs an answer, or events, or both")
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
        if self.answer == "quota" and self.channel == "sms":
            raise ValueError("SNS has no daily quota: for quota, channel must be email or null")
        outcome = self.events and self.events.outcome
        if outcome and self.channel and outcome not in OUTCOMES[self.channel]:
            known = ", ".join(sorted(OUTCOMES[self.channel]))
            raise ValueError(f"events.outcome of {self.channel} must be one of {known}")
        return self

    def is_about(self, kind: Kind) -> bool:
        """Whether it can concern that channel at all."""
        outcome = self.events and self.events.outcome
        return (
            self.channel in (None, kind)
            and not (self.answer == "quota" and kind == "sms")
            and (outcome is None or outcome in OUTCOMES[kind])
        )


def read(body: str | bytes) -> NewRule:
    """The rule that a JSON document asks for; ValueError with a sentence says what is wrong."""
    try:
        return NewRule.model_validate_json(body)
    except ValidationError as error:
        raise ValueError("; ".join(_sentence(dict(found)) for found in error.errors())) from error


def _sentence(error: dict[str, Any]) -> str:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = Telling if error["loc"][:-1] == ("events",) else NewRule
        return f"{field} is not a field; the fields are {', '.join(known.model_fields)}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    said = error["msg"].replace("Input should be", "must be", 1)
    return f"{field} {said}" if field else f"The body must be a JSON object: {said}"
