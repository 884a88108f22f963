"""The result of a check: a status, a sentence, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    OK = "ok"
    #: It works, and a person should look; or the check was not allowed to look.
    WARN = "warn"
    #: Messages are lost, late or refused, or will be.
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do, in whole sentences without an address or a secret."""

    status: Status
    found: str
    do: str = ""


class Unseen(Exception):
    """A check could not look; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.found)
        self.finding = finding


@dataclass(frozen=True)
class Difference:
    """One comparison of the reconciliation; `rows` are the IDs of the deliveries concerned."""

    id: str
    finding: Finding
    rows: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.finding.status.value,
            "found": self.finding.found,
            "do": self.finding.do,
            "deliveries": list(self.rows),
        }


def ok(found: str) -> Finding:
    return Finding(Status.OK, found)


def warn(found: str, do: str) -> Finding:
    return Finding(Status.WARN, found, do)


def fail(found: str, do: str) -> Finding:
    return Finding(Status.FAIL, found, do)
