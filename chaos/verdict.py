"""The figures of a scenario, and whether they keep its promise."""

from dataclasses import dataclass, field
from typing import Any

#: How many rows a problem names.
SHOWN = 5


@dataclass(frozen=True)
class Promise:
    """What a scenario must keep, beside losing nothing.

    `drained_within_s` counts from the end of the fault. `may_duplicate`: a message may arrive
    again where its outcome was unknown and the policy said to send it again.
    """

    drained_within_s: float = 60.0
    may_duplicate: bool = False
    may_be_unknown: bool = True


@dataclass(frozen=True)
class Figures:
    """What was counted.

    `accepted` are the messages that were committed, by their mark and channel; `delivered` those
    of them that the sandbox took at least once; `duplicates` what it took beyond that;
    `unexplained` the duplicates that no policy's line in the log stands for; `in_flight` the calls
    under way when a fault struck, of which each may arrive twice; `unanswered` the calls that took
    a message and never said so, one for each delivery; `uncalled_for` what arrived without having
    been accepted. `drain_s` are seconds from the end of the fault, or of the last commit where
    that was later; None where it never ended.
    """

    accepted: int
    delivered: int
    duplicates: int
    unknown: int
    drain_s: float | None
    unexplained: int = 0
    in_flight: int = 0
    unanswered: int = 0
    uncalled_for: int = 0
    events_refused: int = 0

    @property
    def lost(self) -> int:
        return self.accepted - self.delivered


@dataclass(frozen=True)
class Result:
    """A scenario's outcome; its promise was kept where there are no problems."""

    name: str
    seed: int
    figures: Figures
    problems: list[str] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        counted = self.figures
        return {
            "name": self.name,
            "accepted": counted.accepted,
            "delivered": counted.delivered,
            "lost": counted.lost,
            "duplicates": counted.duplicates,
            "unknown": counted.unknown,
            "drain_s": counted.drain_s,
            "seed": self.seed,
            **self.extras,
            "problems": self.problems,
        }


def judge(promise: Promise, figures: Figures, *, timed: bool = True) -> list[str]:
    """What is wrong with the figures, in words; nothing where the promise was kept.

    Where it is not `timed`, it is enough that it has drained at all.
    """
    return [problem for wrong, problem in _questions(promise, figures, timed) if wrong]


def _questions(promise: Promise, figures: Figures, timed: bool) -> list[tuple[bool, str]]:
    allowed = figures.in_flight if promise.may_duplicate else 0
    within = promise.drained_within_s
    return [
        (not figures.accepted, "nothing was accepted, so nothing was tried"),
        (figures.lost > 0, f"{figures.lost} lost"),
        (figures.uncalled_for > 0, f"{figures.uncalled_for} arrived that were never accepted"),
        (figures.events_refused > 0, f"{figures.events_refused} events refused by the webhook"),
        (
            figures.duplicates > allowed,
            f"{figures.duplicates} duplicates, where {allowed} may occur",
        ),
        (
            figures.unexplained > 0,
            f"{figures.unexplained} arrived twice without having been unknown and resent",
        ),
        (
            figures.unknown < figures.unanswered,
            f"{figures.unanswered} calls never answered, and {figures.unknown} known to be unknown",
        ),
        (
            figures.unknown > 0 and not promise.may_be_unknown,
            f"{figures.unknown} of unknown outcome, where none may be",
        ),
        (
            figures.drain_s is None or (timed and figures.drain_s > within),
            f"not drained within {within:g} s of the fault's end",
        ),
    ]
