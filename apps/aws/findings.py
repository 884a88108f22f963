"""How a check is made one of an area's, beside the words in which it tells what it found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.core.audit.findings import Finding, Status, Unseen, fail, ok, warn

if TYPE_CHECKING:
    from .account import Account

__all__ = ["Area", "Check", "Finding", "Look", "Status", "Unseen", "fail", "ok", "warn"]

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
