"""The repairs and batches behind a typed number."""

from django.db.models import Model

from .models import Repair, RepairBatch
from .models.numbering import primary_key


def find(typed: str) -> list[Model]:
    """Return the repair and its batch, or the batch and its repairs; both if no letter is typed."""
    key, letter = primary_key(typed), typed.strip()[:1].upper()
    if key is None:
        return []
    rows: list[Model] = []
    if letter != "B":
        for repair in Repair.objects.filter(pk=key).select_related("batch"):
            rows += [repair, repair.batch] if repair.batch else [repair]
    if letter != "R":
        for batch in RepairBatch.objects.filter(pk=key):
            rows += [batch, *batch.repairs.all()]
    return rows
