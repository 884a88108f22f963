"""The figures of a scenario, and whether they keep its promise."""

from dataclasses import dataclass, field
from typing import Any

#: How many rows a problem names.
MOST_SHOWN = 5


@dataclass(frozen=True)
class Promise:
    """What a scenario must keep, apart from losing nothing."""

    #: Seconds from the end of the fault until everything must have arrived.
    drained_within_s: float = 60.0
    #: Whether a message of unknown outcome may arrive again after the policy resent it.
    may_duplicate: bool = False


@dataclass(frozen=True)
class Figures:
    """What was counted."""

    #: Messages that were committed, by job number and channel.
    accepted: int
    #: Those of them that arrived at the sandbox.
    delivered: int
    #: Arrivals beyond the first of each message.
    duplicates: int
    #: Deliveries whose outcome was unknown at any time.
    unknown: int
    #: Seconds from the end of the fault, or the last commit if later; None if it never drained.
    drain_s: float | None
    #: Duplicates that no resend in the delivery log explains.
    unexplained: int = 0
    #: Calls that may have been in doubt when a fault struck: only they may be of unknown outcome.
    in_flight: int = 0
    #: Calls that the sandbox accepted and never answered.
    unanswered: int = 0
    #: Messages that arrived over a channel on which none was asked for.
    unexpected: int = 0
    events_refused: int = 0

    @property
    def lost(self) -> int:
        return self.accepted - self.delivered


@dataclass(frozen=True)
class Result:
    """The outcome of one scenario; it kept its promise if there are no problems."""

    name: str
    seed: int
    figures: Figures
    problems: list[str] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        figures = self.figures
        return {
            "name": self.name,
            "accepted": figures.accepted,
            "delivered": figures.delivered,
            "lost": figures.lost,
            "duplicates": figures.duplicates,
            "unknown": figures.unknown,
            "drain_s": figures.drain_s,
            "seed": self.seed,
            **self.extras,
            "problems": self.problems,
        }


def judge(promise: Promise, figures: Figures, *, timed: bool = True) -> list[str]:
    """Return the problems with the figures; unless `timed`, a late drain is not one."""
    return [problem for is_broken, problem in _answers(promise, figures, timed) if is_broken]


def _answers(promise: Promise, figures: Figures, timed: bool) -> list[tuple[bool, str]]:
    allowed = figures.in_flight if promise.may_duplicate else 0
    within = promise.drained_within_s
    return [
        (not figures.accepted, "no message was accepted, so nothing was tried"),
        (figures.lost > 0, f"{figures.lost} lost"),
        (figures.unexpected > 0, f"{figures.unexpected} arrived that were never asked for"),
        (figures.events_refused > 0, f"{figures.events_refused} events refused by the webhook"),
        (figures.duplicates > allowed, f"{figures.duplicates} duplicates, {allowed} allowed"),
        (
            figures.unexplained > 0,
            f"{figures.unexplained} arrived twice without being unknown and resent",
        ),
        (
            figures.unknown < figures.unanswered,
            f"{figures.unanswered} calls had no answer, but {figures.unknown} deliveries were"
            " unknown",
        ),
        (
            figures.unknown > figures.in_flight,
            f"{figures.unknown} of unknown outcome, {figures.in_flight} allowed",
        ),
        (
            figures.drain_s is None or (timed and figures.drain_s > within),
            f"not drained within {within:g} s of the fault's end",
        ),
    ]
