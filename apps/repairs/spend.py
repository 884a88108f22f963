"""What a company spends on repairs, by unit and month of the approval."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, DateField, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce, TruncMonth
from django.utils import timezone

from .models import Company, EventAction, Repair, RepairEvent, Status

#: A manager has approved these.
APPROVED = (Status.APPROVED, Status.IN_PROGRESS, Status.COST_APPROVAL, Status.COMPLETED)
CENT = Decimal("0.01")


@dataclass
class Cost:
    """Approved repairs in US dollars: the approved estimates, and what is final of them."""

    repairs: int = 0
    estimates: Decimal = Decimal(0)
    final: Decimal = Decimal(0)
    #: Approved, and not finished yet.
    open: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return self.final + self.open

    def add(self, other: "Cost") -> None:
        self.repairs += other.repairs
        self.estimates += other.estimates
        self.final += other.final
        self.open += other.open


@dataclass(frozen=True)
class UnitSpend:
    """The costs of a unit; `months` has one for each month of the report."""

    number: str
    vehicle: str
    plate: str
    months: list[Cost]
    total: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class Report:
    """The units with repairs in these months, by number; the newest month is first."""

    months: list[date]
    units: list[UnitSpend]
    sums: list[Cost]
    total: Cost


def report(company: Company, months: int) -> Report:
    """Return what was approved in the last months, by the reader's time zone."""
    span = _last_months(months)
    units: dict[str, UnitSpend] = {}
    sums, total = [Cost() for _ in span], Cost()
    for row in _rows(company, span):
        number = row["unit__number"]
        unit = units.setdefault(
            number,
            UnitSpend(number, row["unit__description"], row["unit__plate"], [Cost() for _ in span]),
        )
        place, cost = span.index(row["month"]), _cost(row)
        for each in (unit.months[place], unit.total, sums[place], total):
            each.add(cost)
    return Report(span, sorted(units.values(), key=_by_number), sums, total)


def _last_months(count: int) -> list[date]:
    """Return the first day of this month and of those before it."""
    day = timezone.localdate().replace(day=1)
    span = []
    for _ in range(count):
        span.append(day)
        day = (day - timedelta(days=1)).replace(day=1)
    return span


def _rows(company: Company, span: Sequence[date]) -> Iterable[Mapping[str, Any]]:
    approvals = RepairEvent.objects.filter(
        repair=OuterRef("pk"), action=EventAction.APPROVED, undone_by=None
    )
    approved_at = Coalesce(Subquery(approvals.order_by("-at").values("at")[:1]), "created_at")
    is_final = When(status=Status.COMPLETED, then=F("final_cost"))
    is_open = When(~Q(status=Status.COMPLETED), then=F("estimate"))
    return (
        Repair.objects.filter(unit__company=company, status__in=APPROVED)
        .annotate(month=TruncMonth(approved_at, output_field=DateField()))
        .filter(month__in=span)
        .order_by()
        .values("unit__number", "unit__description", "unit__plate", "month")
        .annotate(
            repairs=Count("pk"),
            estimates=Sum("estimate"),
            final=Sum(Case(is_final)),
            open=Sum(Case(is_open)),
        )
    )


def _cost(row: Mapping[str, Any]) -> Cost:
    # SQLite adds in floating point.
    sums = {
        name: (row[name] or Decimal(0)).quantize(CENT) for name in ("estimates", "final", "open")
    }
    return Cost(repairs=row["repairs"], **sums)


def _by_number(unit: UnitSpend) -> tuple[int, str]:
    """Sort 9 before 10, and numbers with letters by their letters."""
    return (int(unit.number) if unit.number.isdecimal() else 0, unit.number)
