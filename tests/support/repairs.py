"""The people and values that the tests of the repairs share."""

from dataclasses import dataclass
from decimal import Decimal

from apps.core.models import Notification
from apps.repairs.models import Company, FleetUnit, Profile, Repair

ESTIMATE = Decimal("412.50")
FINAL_COST = Decimal("398.00")
#: More than 10 % above the estimate.
HIGHER_COST = Decimal("520.00")
REASON = "We sell this unit at the end of the month."


@dataclass(frozen=True)
class Cast:
    """Two fleets with one unit each, and their people."""

    redwood: Company
    unit: FleetUnit
    maria: Profile
    luis: Profile
    lakeshore_unit: FleetUnit
    helen: Profile
    jane: Profile
    tom: Profile
    sam: Profile


def told(kind: str = "") -> list[tuple[str, str]]:
    """Return (username, kind) of each notification in order, without reminders, or of one kind."""
    rows = Notification.objects.order_by("created_at", "kind", "recipient__username")
    reminders = ["repair_approval_reminder", "repair_approval_overdue"]
    rows = rows.filter(kind=kind) if kind else rows.exclude(kind__in=reminders)
    return list(rows.values_list("recipient__username", "kind"))


def history(repair: Repair) -> list[tuple[str, str, str]]:
    """Return (action, username, note) of each entry of the repair's history."""
    return list(repair.events.values_list("action", "actor__user__username", "note"))
