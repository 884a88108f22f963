"""`make bench`: measure, print each figure beside its target, and everything as JSON last."""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from . import approve, costs, memory, others_venv, promptness, side_by_side
from .figures import TARGETS, Report, rounded
from .rig import Rig, running_rig
from .side_by_side import Sizes

RESULTS = Path(__file__).parent / "results"
FULL = Sizes(rounds=3, messages=5_000, patience_s=40)
QUICK = Sizes(rounds=3, messages=400, patience_s=6)
PROFILED = 500
#: A module that measures what happens as the tables grow, with a function `measure`.
GROWTH = "benchmarks.growth"


class Part(NamedTuple):
    """One measurement, and the figures that it adds."""

    figures: tuple[str, ...]
    run: Callable[[Rig, Report], None]


def parts(sizes: Sizes) -> list[Part]:
    """Return the measurements that need a rig, in their order."""
    compared = [
        Part(
            ("create_ratio", "drain_ratio", "end_to_end_ratio", "plain_ratio", "limit_ratio"),
            partial(side_by_side.measure, sizes=sizes),
        ),
        Part(("drain_ratio_50ms",), partial(side_by_side.measure_slow, sizes=sizes)),
        Part(("sms_limit_ratio",), partial(side_by_side.measure_texts, sizes=sizes)),
    ]
    others = [
        Part(("create_sql", "delivery_sql"), costs.measure_statements),
        Part(("compose_ms", "compose_ratio"), costs.measure_composing),
        Part(("redis_trips", "redis_trips_drained"), costs.measure_trips),
        Part(("fanout_s", "fanout_share", "fanout_sql", "fanout_trips"), costs.measure_fan_out),
        Part(
            ("urgent_s_p50", "urgent_s_p99", "pace_share", "pace_most"),
            promptness.measure_pace_and_urgent,
        ),
        Part(("pace_share_200", "pace_most_200"), promptness.measure_pace),
        Part(("urgent_s_p50_unlimited", "urgent_s_p99_unlimited"), promptness.measure_urgent),
        Part(("within_10_s", "within_10_s_p99"), promptness.measure_steady),
        Part(("during_texts_s_p50", "during_texts_s_p99"), promptness.measure_during_texts),
        Part(("memory_mb", "memory_growth"), memory.measure),
    ]
    return compared if sizes == QUICK else compared + others


def main() -> int:
    """Return the exit status: 1 if something could not be measured, whatever was met or missed."""
    options = _options()
    others_venv.make()
    if options.profile:
        with running_rig() as rig:
            print(json.dumps(rig.ours("profile", options.profile, PROFILED, "MEDIUM")))
        return 0
    started = datetime.now(UTC)
    report = Report()
    chosen = [
        part
        for part in parts(QUICK if options.quick else FULL)
        if not options.only or set(options.only) & set(part.figures)
    ]
    if chosen:
        with running_rig() as rig:
            side_by_side.measure_sinks(rig, report)
            for part in chosen:
                _run(report, ", ".join(part.figures), partial(part.run, rig, report))
    if not options.quick and (not options.only or "approve_ratio" in options.only):
        _run(report, "approve_ratio", lambda: report.add(**approve.measure()))
    if has_growth() and not options.quick and (not options.only or "growth" in options.only):
        _run(report, "growth", partial(_grow, report))
    for line in report.lines():
        print(line)
    _show_ceilings(report)
    _write(started, report)
    return 1 if report.failed else 0


def has_growth() -> bool:
    return importlib.util.find_spec(GROWTH) is not None


def _grow(report: Report) -> None:
    measured = importlib.import_module(GROWTH).measure()
    report.add(**{name: each for name, each in measured.items() if name.startswith("growth_")})


def _run(report: Report, name: str, measure: Callable[[], None]) -> None:
    began, known = time.monotonic(), set(report.runs)
    try:
        measure()
    except Exception:
        # Keep what was measured before, and measure the rest: each takes minutes.
        traceback.print_exc()
        report.failed.append(name)
    # Said at once too, for a run that is interrupted.
    found = {name: each for name, each in report.figures().items() if name not in known}
    print(f"{time.monotonic() - began:.0f} s for {name}: {found}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first seven, with fewer messages")
    parser.add_argument("--only", nargs="+", metavar="FIGURE", help="what adds these figures")
    parser.add_argument(
        "--profile", choices=("create", "delivery"), help="show where the time goes instead"
    )
    options = parser.parse_args()
    known = {*TARGETS, "growth"}
    if unknown := sorted(set(options.only or []) - known):
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return options


def _show_ceilings(report: Report) -> None:
    """Print what the sinks take; a contestant that comes near it would be faster without them."""
    for name, values in report.details.items():
        if name.startswith("sinks_"):
            print(f"{name}: {max(values):g}, of the cheapest clients")


def _write(started: datetime, report: Report) -> None:
    text = json.dumps(
        {
            "at": started.isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "figures": report.figures(),
            "missed": report.missed(),
            "failed": report.failed,
            "runs": {name: [rounded(each) for each in runs] for name, runs in report.runs.items()},
            "details": report.details,
        }
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{started:%Y%m%dT%H%M%SZ}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
