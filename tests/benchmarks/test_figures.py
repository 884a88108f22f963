"""What the measurements are summed up by, and judged by."""

import pytest

from benchmarks import figures
from benchmarks.figures import Report, at_least, at_most


@pytest.mark.parametrize(
    ("target", "value", "is_met"),
    [
        (at_least(0.6), 0.6, True),
        (at_least(0.6), 0.59, False),
        (at_most(1), 1, True),
        (at_most(1), 1.01, False),
    ],
)
def test_a_target_is_met_by_its_own_limit_and_beyond(
    target: figures.Target, value: float, is_met: bool
) -> None:
    assert target.is_met_by(value) is is_met


def test_a_figure_is_the_median_of_its_runs() -> None:
    report = Report()
    for value in (0.1, 0.9, 0.2):
        report.add(drain_ratio=value)
    assert report.figures() == {"drain_ratio": 0.2}


def test_a_figure_that_misses_its_target_is_named() -> None:
    report = Report()
    report.add(create_ratio=2.0, drain_ratio=1.5, fanout_s=99.0)
    assert report.missed() == ["create_ratio"]


def test_a_figure_is_printed_with_its_spread_target_and_verdict() -> None:
    report = Report()
    for value in (1.4, 1.2, 1.3):
        report.add(end_to_end_ratio=value)
    [_, line] = report.lines()
    assert line.split() == ["end_to_end_ratio", "1.3", "1.2", "to", "1.4", "≥", "1.3", "met"]


def test_figures_are_printed_in_the_order_of_the_table() -> None:
    report = Report()
    report.add(memory_mb=180.0, growth_bell=1.1, create_ratio=0.9)
    names = [line.split()[0] for line in report.lines()]
    assert names == ["figure", "create_ratio", "memory_mb", "growth_bell"]


def test_a_growth_has_a_target_although_its_name_is_not_in_the_table() -> None:
    report = Report()
    report.add(growth_bell=1.31, growth_sweep=1.3)
    assert report.missed() == ["growth_bell"]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert figures.percentile(hundred[::-1], 0.5) == 50
    assert figures.percentile(hundred, 0.99) == 99
    assert figures.percentile([7.0], 0.99) == 7


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([5.0], 1),
        ([0.0, 0.5, 0.99, 1.0, 1.6], 3),
        # A second begins anywhere, not at a full one.
        ([0.9, 1.0, 1.1, 1.8, 2.5], 4),
    ],
)
def test_the_fullest_second_may_begin_at_any_arrival(times: list[float], most: int) -> None:
    assert figures.fullest_second(times) == most


def test_a_rate_counts_the_intervals_and_not_the_arrivals() -> None:
    assert figures.rate([10.0, 10.5, 11.0]) == 2


@pytest.mark.parametrize(
    ("value", "shown"), [(0, 0), (0.012345, 0.0123), (1.2345, 1.23), (4104.4, 4104), (999.9, 1000)]
)
def test_a_figure_has_three_significant_digits(value: float, shown: float) -> None:
    assert figures.rounded(value) == shown
