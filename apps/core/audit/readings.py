"""Store what a task has looked at, for pages and alarms that must not look themselves."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.core.models import Reading

from .findings import Finding, ok

#: The names of the readings.
DOCTOR, LEDGER, QUOTA, REASONS, REPUTATION, WORKERS = (
    "doctor",
    "ledger",
    "quota",
    "reasons",
    "reputation",
    "workers",
)

#: How long a worker that no longer answers is still named.
WORKERS_KEPT = timedelta(days=1)


def store(name: str, finding: Finding | None = None, /, **numbers: Any) -> None:
    """Store the newest result under this name, in place of the one before."""
    finding = finding or ok("")
    values = {
        "at": timezone.now(),
        "status": finding.status,
        "found": finding.found,
        "do": finding.do,
        "numbers": numbers,
    }
    Reading.objects.update_or_create(name=name, defaults=values)


def all_by_name() -> dict[str, Reading]:
    return {row.name: row for row in Reading.objects.all()}


def note_workers(names: Iterable[str]) -> None:
    """Store that these workers answered now, beside those that did within WORKERS_KEPT."""
    now = timezone.now()
    row = Reading.objects.filter(name=WORKERS).first()
    kept = {
        name: at
        for name, at in (row.numbers if row else {}).items()
        if now - datetime.fromisoformat(at) < WORKERS_KEPT
    }
    store(WORKERS, **{**kept, **dict.fromkeys(names, now.isoformat())})
