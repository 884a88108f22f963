"""What a scenario is; scenarios.py lists them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaos.alarms import Alarms
from chaos.rig import RigPlan
from chaos.verdict import Promise

BOTH_CHANNELS = ("URGENT", "MEDIUM")
EMAIL_ONLY = ("MEDIUM",)


@dataclass(frozen=True)
class Scenario:
    """A fault, its load and its promise."""

    name: str
    #: Is given the Run.
    fault: Callable[[Any], None]
    #: So many notifications are committed over so many seconds, with random priorities of these.
    messages: int = 600
    over_s: float = 12.0
    priorities: tuple[str, ...] = BOTH_CHANNELS
    #: If not 0, half of them are scheduled, at most so many seconds ahead.
    later_s: float = 0.0
    #: Whether a worker is also woken for each delivery, however many are awake.
    wake_twice: bool = False
    rig: RigPlan = field(default_factory=RigPlan)
    promise: Promise = field(default_factory=Promise)
    #: What must ring, and nothing else; None if not checked. Needs a beat that judges often.
    alarms: Alarms | None = None
    #: Looks at the end for what the figures do not show.
    check: Callable[[Any], None] | None = None
