"""What was not done for a person whose session had ended, by the name of the view."""

from collections.abc import Callable

from django.utils.translation import gettext

from .models import Repair, RepairBatch


def _repair(pk: int) -> str:
    return Repair(pk=pk).number


CLAUSES: dict[str, Callable[..., str]] = {
    "repairs:approve": lambda pk: gettext("{number} was not approved").format(number=_repair(pk)),
    "repairs:deny": lambda pk: gettext("{number} was not denied").format(number=_repair(pk)),
    "repairs:estimate": lambda pk: gettext("the estimate of {number} was not saved").format(
        number=_repair(pk)
    ),
    "repairs:assign": lambda pk: gettext("{number} was not assigned").format(number=_repair(pk)),
    "repairs:start": lambda pk: gettext("{number} was not started").format(number=_repair(pk)),
    "repairs:complete": lambda pk: gettext("{number} was not completed").format(number=_repair(pk)),
    "repairs:approve-batch": lambda pk: gettext("{number} was not approved").format(
        number=RepairBatch(pk=pk).number
    ),
    "repairs:approve-several": lambda: gettext("nothing was approved"),
    "repairs:deny-batch": lambda pk: gettext("{number} was not denied").format(
        number=RepairBatch(pk=pk).number
    ),
    "repairs:request": lambda: gettext("nothing was requested"),
}
