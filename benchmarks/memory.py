"""Whether a worker grows: its memory after a hundred deliveries, and after many."""

from .figures import Report
from .rig import Rig, resident_mb, wait_for_count
from .side_by_side import STUCK_S

FIRST = 100
#: Deliveries until the second look, those of one call of notify(), and the most seconds between.
DELIVERIES, AT_ONCE, PATIENCE_S = 50_000, 10_000, 240.0


def measure(rig: Rig, report: Report) -> None:
    """Add the memory of a worker and its two processes in the end, and its growth."""
    rig.clean()
    with rig.working() as [worker]:
        rig.ours("fan_out", FIRST, "MEDIUM")
        if not wait_for_count(rig, FIRST, STUCK_S):
            raise RuntimeError(f"fewer than {FIRST} arrived in {STUCK_S:g} s")
        before = resident_mb(worker)
        for _ in range(DELIVERIES // AT_ONCE):
            rig.ours("fan_out", AT_ONCE, "MEDIUM")
        wait_for_count(rig, FIRST + DELIVERIES, PATIENCE_S)
        after = resident_mb(worker)
    report.add(memory_mb=after, memory_growth=after / before)
    report.keep(memory_mb_before=before, memory_deliveries=rig.sinks.count)
