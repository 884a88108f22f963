"""The figures: what each is to reach, how several runs are summed up, and how it is shown."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Target(NamedTuple):
    """What a figure is to reach."""

    limit: float
    at_least: bool = False

    def is_met_by(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def at_least(limit: float) -> Target:
    return Target(limit, at_least=True)


def at_most(limit: float) -> Target:
    return Target(limit)


#: In the order in which they are printed. A figure without a target explains the one beside it.
TARGETS: Mapping[str, Target | None] = {
    "create_ratio": at_most(1.0),
    "drain_ratio": at_least(1.0),
    "end_to_end_ratio": at_least(1.3),
    "drain_ratio_50ms": at_least(1.2),
    "plain_ratio": at_least(4),
    "limit_ratio": at_least(0.6),
    "sms_limit_ratio": at_least(0.6),
    "create_sql": at_most(3),
    "delivery_sql": at_most(1.5),
    "compose_ms": None,
    "compose_ratio": at_most(1.1),
    "redis_trips": at_most(1),
    "redis_trips_drained": at_most(0.2),
    "fanout_s": None,
    "fanout_share": at_most(0.1),
    # Five statements for each thousand people.
    "fanout_sql": at_most(50),
    "fanout_trips": at_most(2),
    "urgent_s_p50": None,
    "urgent_s_p99": at_most(1),
    "urgent_s_p50_unlimited": None,
    "urgent_s_p99_unlimited": at_most(1),
    "within_10_s": at_least(1.0),
    "within_10_s_p99": at_most(1),
    "pace_share": at_least(0.97),
    "pace_most": at_most(15),
    "pace_share_200": at_least(0.97),
    "pace_most_200": at_most(210),
    "during_texts_s_p50": None,
    "during_texts_s_p99": at_most(1),
    "approve_ratio": at_most(1.2),
    "memory_mb": None,
    "memory_growth": at_most(1.05),
}


#: Of the figures `growth_*`: how much longer something takes when there are 500 times as many rows.
GROWTH = at_most(1.3)


def target_of(name: str) -> Target | None:
    return GROWTH if name.startswith("growth_") else TARGETS.get(name)


@dataclass
class Report:
    """What was measured."""

    #: The figures of each run.
    runs: dict[str, list[float]] = field(default_factory=dict)
    #: The measurements that ended in an error.
    failed: list[str] = field(default_factory=list)
    #: What explains the figures: each run's rates and times.
    details: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **figures: float) -> None:
        """Add one run's values."""
        for name, value in figures.items():
            self.runs.setdefault(name, []).append(value)

    def keep(self, **details: float) -> None:
        """Add what explains one run's values."""
        for name, value in details.items():
            self.details.setdefault(name, []).append(rounded(value))

    def figures(self) -> dict[str, float]:
        """Return the median of each figure's runs."""
        return {name: rounded(statistics.median(values)) for name, values in self.runs.items()}

    def missed(self) -> list[str]:
        """Return the names of the figures that do not reach their targets."""
        return [
            name
            for name, value in self.figures().items()
            if (target := target_of(name)) and not target.is_met_by(value)
        ]

    def lines(self) -> Iterator[str]:
        """Yield the figures, each with its spread, its target and the verdict."""
        yield f"{'figure':26}{'median':>10}  {'lowest to highest':22}{'to reach':>10}"
        missed = self.missed()
        order = list(TARGETS)
        for name, value in sorted(
            self.figures().items(),
            key=lambda item: order.index(item[0]) if item[0] in order else len(order),
        ):
            runs = self.runs[name]
            spread = f"{rounded(min(runs)):g} to {rounded(max(runs)):g}" if len(runs) > 1 else ""
            target = target_of(name)
            verdict = "" if target is None else ("missed" if name in missed else "met")
            yield f"{name:26}{value:>10g}  {spread:22}{target or ''!s:>10}  {verdict}".rstrip()


def rounded(value: float) -> float:
    """Return the value with three significant digits, or all those before its point."""
    if value == 0:
        return 0.0
    return round(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def fullest_second(times: Sequence[float]) -> int:
    """Return the most that fall into any second; `times` are sorted, in seconds."""
    most = end = 0
    for start, time in enumerate(times):
        while end < len(times) and times[end] < time + 1:
            end += 1
        most = max(most, end - start)
    return most


def rate(times: Sequence[float]) -> float:
    """Return events per second between the first and the last; `times` are sorted."""
    return (len(times) - 1) / (times[-1] - times[0])
