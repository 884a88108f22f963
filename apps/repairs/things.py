"""Repairs and batches as a digest names them, in its language: what and how they are now."""

from collections.abc import Collection

from django.utils.translation import gettext

from apps.core.message import things, user_text
from apps.core.message.things import Thing

from .models import FleetUnit, Repair, RepairBatch, Status


def register() -> None:
    things.register(Repair, _repairs)
    things.register(RepairBatch, _batches)


def _repairs(ids: Collection[str]) -> dict[str, Thing]:
    rows = Repair.objects.select_related("unit").filter(pk__in=[int(each) for each in ids])
    return {
        str(row.pk): Thing(_name(row.number, row.unit), _state(row), row.get_absolute_url())
        for row in rows
    }


def _batches(ids: Collection[str]) -> dict[str, Thing]:
    breaks = Repair.objects.select_related("batch__unit").filter(
        batch__in=[int(each) for each in ids]
    )
    by_batch: dict[RepairBatch, list[Repair]] = {}
    for repair in breaks.order_by("pk"):
        by_batch.setdefault(repair.batch, []).append(repair)  # type: ignore[arg-type]
    return {
        str(batch.pk): Thing(
            _name(batch.number, batch.unit),
            # The break that is furthest behind is what the batch waits for.
            _state(min(rows, key=lambda row: list(Status).index(Status(row.status)))),
            batch.get_absolute_url(),
        )
        for batch, rows in by_batch.items()
    }


def _name(number: str, unit: FleetUnit) -> str:
    return gettext("{number}, unit {unit}").format(
        number=number, unit=user_text.nameable(unit.number)
    )


def _state(repair: Repair) -> str:
    return gettext(repair.get_status_display()).lower()
