"""`make chaos`: run every scenario, one after the other, and print the results.

The last line is JSON and is kept in chaos/results/. The exit status is 1 if a promise was broken.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaos.scenarios import QUICK, SCENARIOS
from tools.processes import die_with_parent
from tools.supervisor import ROOT

RESULTS = Path(__file__).parent / "results"
COLUMNS = {
    "name": "scenario",
    "accepted": "accepted",
    "delivered": "delivered",
    "lost": "lost",
    "duplicates": "twice",
    "unknown": "unknown",
    "drain_s": "drained in s",
}


def main() -> int:
    arguments = _arguments()
    started = datetime.now(UTC)
    groups = [list(QUICK)] if arguments.quick else [[name] for name in arguments.only or SCENARIOS]
    results = [
        result for names in groups for result in _run(names, arguments.seed, arguments.quick)
    ]
    report = {
        "at": started.isoformat(timespec="seconds"),
        "took_s": round((datetime.now(UTC) - started).total_seconds()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "seed": arguments.seed,
        "scenarios": results,
    }
    _print_table(results)
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(report)
    (RESULTS / f"{started:%Y%m%dT%H%M%SZ}.json").write_text(text + "\n")
    print(text)
    return 1 if any(result["problems"] for result in results) else 0


def _run(names: list[str], seed: int, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield the results of scenarios, run in another process; a missing result is a problem."""
    missing = list(names)
    options = [f"--seed={seed}", *(["--quick"] if quick else [])]
    with subprocess.Popen(
        [sys.executable, "-m", "chaos.runner", *names, *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            result = json.loads(line)
            missing.remove(result["name"])
            yield result
    for name in missing:
        yield {
            "name": name,
            "seed": seed,
            "problems": [f"no result, exit status {process.returncode}"],
        }


def _print_table(results: list[dict[str, Any]]) -> None:
    rows = [list(COLUMNS.values())]
    rows += [[str(result.get(field, "-")) for field in COLUMNS] for result in results]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, *figures = [
            cell.ljust(width) if position == 0 else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join([name, *figures]))
    for result in results:
        for problem in result["problems"]:
            print(f"{result['name']}: {problem}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--quick", action="store_true", help="the scenarios of make chaos-quick")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
