"""Read a histogram of durations: quantiles, and the share within some seconds. Pure functions."""

from collections.abc import Iterable

from apps.core.models.tally import BUCKETS, Tally

Histogram = dict[str, int]


def add_up(rows: Iterable[Tally]) -> Histogram:
    """Return the sum of the rows' histograms."""
    found = dict.fromkeys(BUCKETS, 0)
    for row in rows:
        for name in BUCKETS:
            found[name] += getattr(row, name)
    return found


def quantile(histogram: Histogram, share: float) -> float | None:
    """Return the seconds within which this share was done, estimated within its bucket.

    None if nothing was counted; infinity above the last bound.
    """
    total = sum(histogram.values())
    if not total:
        return None
    wanted, below, low = share * total, 0, 0.0
    for name, high in BUCKETS.items():
        count = histogram[name]
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below, low = below + count, high
    return low


def share_within(histogram: Histogram, seconds: float) -> float | None:
    """Return the share that took at most so many seconds, which must be the bound of a bucket."""
    total = sum(histogram.values())
    if not total:
        return None
    return sum(histogram[name] for name, most in BUCKETS.items() if most <= seconds) / total
