"""`make bench`: run every measurement, keep the results, and print them as JSON last."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from . import approve, pace

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    started = datetime.now(UTC)
    report = {
        "at": started.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "benchmarks": [approve.measure(), pace.measure(), pace.measure_during_texts()],
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(report)
    (RESULTS / f"{started:%Y%m%dT%H%M%SZ}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
