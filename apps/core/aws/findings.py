"""What the doctor's checks find, and how a check is made one of an area's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Account


class Status(StrEnum):
    #: As it should be.
    OK = "ok"
    #: It works, and somebody should look; or nobody was allowed to.
    WARN = "warn"
    #: Messages are lost, late or refused, or will be.
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it: whole sentences, without an address or a secret."""

    status: Status
    found: str
    do: str = ""


class Unseen(Exception):
    """A check could not look; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.found)
        self.finding = finding


Look = Callable[["Account"], Finding]


@dataclass(frozen=True)
class Check:
    """One line of the report. `id` stays as it is: scripts and docs/aws.md name it."""

    id: str
    area: str
    look: Look


@dataclass
class Area:
    """A heading of the report, and the checks under it in their order."""

    name: str
    prefix: str
    checks: list[Check] = field(default_factory=list)

    def check(self, look: Look) -> Look:
        """Make the function a check of this area, under its own name."""
        self.checks.append(Check(f"{self.prefix}.{look.__name__}", self.name, look))
        return look


def ok(found: str) -> Finding:
    return Finding(Status.OK, found)


def warn(found: str, do: str) -> Finding:
    return Finding(Status.WARN, found, do)


def fail(found: str, do: str) -> Finding:
    return Finding(Status.FAIL, found, do)
