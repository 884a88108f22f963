from collections.abc import Callable

from apps.core.message import things
from apps.repairs.models import Repair, RepairBatch, Status


def test_a_digest_names_a_repair_as_it_stands_now(repair: Callable[[Status], Repair]) -> None:
    row = repair(Status.IN_PROGRESS)
    found = things.describe("repairs.repair", [str(row.pk), "0"])
    assert list(found) == [str(row.pk)]
    thing = found[str(row.pk)]
    assert thing.name == f"{row.number}, unit {row.unit.number}"
    assert (thing.state, thing.url) == ("in progress", row.get_absolute_url())


def test_a_digest_names_a_batch_by_its_break_that_is_furthest_behind(
    request_batch: Callable[..., RepairBatch],
) -> None:
    batch = request_batch("100.00", "200.00")
    first = batch.repairs.order_by("pk")[0]
    Repair.objects.filter(pk=first.pk).update(status=Status.IN_PROGRESS)
    thing = things.describe("repairs.repairbatch", [str(batch.pk)])[str(batch.pk)]
    behind = batch.repairs.order_by("pk")[1]
    assert thing.state == behind.get_status_display().lower()
    assert thing.url == batch.get_absolute_url()
