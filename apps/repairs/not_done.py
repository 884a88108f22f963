"""What was not done for somebody whose session had ended, by the name of the view."""

from collections.abc import Callable

from .models import Repair, RepairBatch


def _repair(pk: int) -> str:
    return Repair(pk=pk).number


CLAUSES: dict[str, Callable[..., str]] = {
    "repairs:approve": lambda pk: f"{_repair(pk)} was not approved",
    "repairs:deny": lambda pk: f"{_repair(pk)} was not denied",
    "repairs:estimate": lambda pk: f"the estimate of {_repair(pk)} was not saved",
    "repairs:assign": lambda pk: f"{_repair(pk)} was not assigned",
    "repairs:start": lambda pk: f"{_repair(pk)} was not started",
    "repairs:complete": lambda pk: f"{_repair(pk)} was not completed",
    "repairs:approve-batch": lambda pk: f"{RepairBatch(pk=pk).number} was not approved",
    "repairs:approve-several": lambda: "nothing was approved",
    "repairs:deny-batch": lambda pk: f"{RepairBatch(pk=pk).number} was not denied",
    "repairs:request": lambda: "nothing was requested",
}
