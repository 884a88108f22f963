"""Measure whether anything that looks at messages becomes slower when there are more of them.

A private PostgreSQL is filled with a history of messages at one constant rate: more rows are a
longer history. What a person or a worker does is timed at each size. Each ratio is the median time
at the largest size divided by that at the smallest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.environment import PORTS, build_environment
from tools.postgres import PostgreSQL
from tools.processes import die_with_parent, redis_answers, redis_command, wait_until
from tools.stack import stack_environment
from tools.supervisor import ROOT

#: Deliveries, smallest first.
SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
#: Memory as a server of this size would have, and no limit on the time of a statement.
OPTIONS = ("--shared_buffers=1GB", "--max_wal_size=8GB", "--autovacuum=off")


def measure(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Return the ratios `growth_*`, and the median milliseconds of each size."""
    with _stores() as environment:
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.growth_figures", *map(str, sizes)],
            check=True,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
    times: dict[str, dict[str, float]] = json.loads(child.stdout.splitlines()[-1])
    first, last = (times[str(size)] for size in (min(sizes), max(sizes)))
    ratios = {f"growth_{name}": round(last[name] / first[name], 2) for name in first}
    return {"name": "growth", "sizes": sorted(sizes), **ratios, "median_ms": times}


@contextmanager
def _stores() -> Iterator[dict[str, str]]:
    """Run a PostgreSQL and a Redis; yield the environment of a process that uses them."""
    with tempfile.TemporaryDirectory(prefix="rs-bench-") as name:
        folder = Path(name)
        # As root, PostgreSQL runs as another user, which must be able to enter the folder.
        folder.chmod(0o755)
        (folder / "postgres").mkdir()
        server = PostgreSQL(folder / "postgres", *OPTIONS)
        environment = stack_environment(
            DATABASE_URL=server.url, DATABASE_STATEMENT_TIMEOUT_S="3600", LOG_LEVEL="WARNING"
        )
        ports = {variable: int(environment[variable]) for variable in PORTS}
        redis = subprocess.Popen(
            redis_command(ports["PORT_REDIS"], folder),
            stdout=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        try:
            server.start()
            server.create_database()
            wait_until(lambda: redis_answers(ports["PORT_REDIS"]), "Redis answers")
            yield build_environment(environment, ports, folder)
        finally:
            redis.terminate()
            redis.wait()
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(size) for size in text.split(",")],
        default=list(SIZES),
        help="deliveries, separated by commas",
    )
    print(json.dumps(measure(parser.parse_args().sizes)))


if __name__ == "__main__":
    main()
