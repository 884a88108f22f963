"""Small bar charts as SVG paths, each with its words."""

from collections.abc import Sequence
from dataclasses import dataclass

#: The size of a chart in SVG's units, and the least height of a bar that is not zero.
WIDTH, HEIGHT, LEAST = 300, 36, 2


@dataclass(frozen=True)
class Chart:
    """Bars, oldest first. `path` draws them; `words` say the same."""

    path: str
    words: str


def bars(values: Sequence[int], scale: int, span: str, each: str) -> Chart:
    """Return a chart of the values; `scale` is the value of a full bar.

    `span` and `each` name all of it and one bar, as in "hour" and "minute".
    """
    total, most = sum(values), max(values, default=0)
    words = f"{total:,} in the last {span}"
    if total:
        words += f", at most {most:,} in a {each}"
    return Chart(_path(values, scale), words)


def _path(values: Sequence[int], scale: int) -> str:
    if not values or not scale:
        return ""
    step = WIDTH / len(values)
    return "".join(
        f"M{n * step:g} {HEIGHT}v{-_height(value, scale)}h{step * 0.8:g}V{HEIGHT}z"
        for n, value in enumerate(values)
        if value
    )


def _height(value: int, scale: int) -> int:
    return max(LEAST, round(HEIGHT * min(1, value / scale)))
