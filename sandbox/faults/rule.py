"""What a rule may say, and the sentences for what it may not. docs/sandbox.md has the table."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, cast, get_args

from pydantic import Field, ValidationError, model_validator

from sandbox.json_input import Strict, explain
from sandbox.store import Channel

Outcome = Literal[
    "delivered", "bounce", "soft_bounce", "complaint", "reject", "delay", "opt_out", "none",
]  # fmt: skip
Answer = Literal[
    "refuse", "hang", "slow", "accept_then_hang", "accept_then_drop", "drop", "throttle",
    "transient", "permanent", "quota", "credentials", "paused",
    "accept_then_transient",
    "garbage", "empty", "html", "cut", "redirect",
    "accept_then_garbage", "accept_then_empty", "accept_then_html", "accept_then_cut",
    "accept_then_redirect",
]  # fmt: skip

_ACCEPT_THEN = "accept_then_"
#: With these the message is accepted all the same, so it has events.
ACCEPTING: frozenset[Answer] = frozenset(
    answer for answer in get_args(Answer) if answer == "slow" or answer.startswith(_ACCEPT_THEN)
)
#: These concern a whole channel, before the recipient of a message is known.
CHANNEL_WIDE: frozenset[Answer] = frozenset({"refuse", "credentials"})

#: What can become of an accepted message.
OUTCOMES: Mapping[Channel, frozenset[str]] = {
    "email": frozenset(
        {"delivered", "bounce", "soft_bounce", "complaint", "reject", "delay", "none"}
    ),
    "sms": frozenset({"delivered", "bounce", "opt_out", "none"}),
}

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EventScript(Strict):
    """Which events an accepted message gets, and when."""

    #: None: what the address would get by itself.
    outcome: Outcome | None = None
    timing: Literal["on_time", "early", "late"] = "on_time"
    late_s: Seconds = 5.0
    copies: Annotated[int, Field(ge=1, le=10)] = 1
    reversed: bool = False

    @property
    def extra_delay_s(self) -> float:
        return self.late_s if self.timing == "late" else 0.0


class Rule(Strict):
    """The body of `POST /api/rules`."""

    channel: Channel | None = None
    to: str | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    for_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    answer: Answer | None = None
    after_s: Seconds = 0.0
    events: EventScript | None = None

    @model_validator(mode="after")
    def _check_that_it_does_something(self) -> Self:
        if self.answer is None and self.events is None:
            raise ValueError("a rule needs an answer, or events, or both")
        return self

    @model_validator(mode="after")
    def _check_channel_wide_answers(self) -> Self:
        is_narrowed = (self.to, self.share, self.times) != (None, 1, None)
        if self.answer == "refuse" and is_narrowed:
            raise ValueError("refuse is for a whole channel: leave out to, share and times")
        if self.answer == "credentials" and self.to is not None:
            raise ValueError("credentials are those of a whole channel: leave out to")
        return self

    @model_validator(mode="after")
    def _check_that_the_provider_does_it(self) -> Self:
        if self.answer == "quota" and self.channel == "sms":
            raise ValueError("SNS has no daily quota: for quota, channel must be email or null")
        outcome = self.events and self.events.outcome
        if outcome and self.channel and outcome not in OUTCOMES[self.channel]:
            known = ", ".join(sorted(OUTCOMES[self.channel]))
            raise ValueError(f"events.outcome of {self.channel} must be one of {known}")
        return self

    def is_about(self, channel: Channel) -> bool:
        """Return whether the rule can apply to that channel."""
        outcome = self.events and self.events.outcome
        return (
            self.channel in (None, channel)
            and not (self.answer == "quota" and channel == "sms")
            and (outcome is None or outcome in OUTCOMES[channel])
        )


def answer_only(answer: Answer) -> Answer:
    """Return the answer without `accept_then_`."""
    return cast("Answer", answer.removeprefix(_ACCEPT_THEN))


def read(body: str | bytes) -> Rule:
    """Read a rule from JSON; raises ValueError with a sentence about what is wrong."""
    try:
        return Rule.model_validate_json(body)
    except ValidationError as error:
        raise ValueError(explain(error, Rule)) from error
