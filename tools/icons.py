"""Draws the site's icons for home screens; run it again after changing the drawing.

It draws what favicon.svg shows: `python -m tools.icons`.
"""

from pathlib import Path

from PIL import Image, ImageDraw

from tools.supervisor import ROOT

FOLDER = ROOT / "rs_systems" / "static" / "icons"
GROUND, PANE, STAR = "#14191d", "#ffffff", "#ffc233"
#: favicon.svg is drawn on this many units.
UNITS = 32
#: Drawn this many times larger and scaled down, since Pillow's lines have hard edges.
OVERSAMPLING = 4
PANE_EDGES = (
    ((8.6, 9.5), (16, 7), (23.4, 9.5)),
    ((27, 22.5), (16, 19.6), (5, 22.5)),
)
STAR_LINES = (((19.6, 11.6), (19.6, 16.6)), ((17.4, 13), (21.8, 15.4)), ((21.8, 13), (17.4, 15.4)))

Point = tuple[float, float]


def draw(size: int, *, maskable: bool = False) -> Image.Image:
    """Return the icon; a launcher cuts its own shape out of a maskable one."""
    full = size * OVERSAMPLING
    image = Image.new("RGBA", (full, full))
    pen = ImageDraw.Draw(image)
    radius = 0 if maskable else full * 7 / UNITS
    pen.rounded_rectangle((0, 0, full - 1, full - 1), radius, fill=GROUND)
    # Only the circle of 80 % in the middle of a maskable icon is sure to be seen.
    scale = full / UNITS * (0.75 if maskable else 1)
    middle = UNITS / 2

    def place(point: Point) -> Point:
        return tuple(full / 2 + (each - middle) * scale for each in point)  # type: ignore[return-value]

    top, bottom = (_curve(*edge) for edge in PANE_EDGES)
    _stroke(pen, [place(each) for each in (*top, *bottom, top[0], top[1])], PANE, 2.4 * scale)
    for line in STAR_LINES:
        _stroke(pen, [place(each) for each in line], STAR, 1.6 * scale)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _curve(start: Point, control: Point, end: Point, steps: int = 40) -> list[Point]:
    """Return points of a quadratic Bézier curve."""

    def at(n: int) -> Point:
        t = n / steps
        shares = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
        points = (start, control, end)
        return (
            sum(share * point[0] for share, point in zip(shares, points, strict=True)),
            sum(share * point[1] for share, point in zip(shares, points, strict=True)),
        )

    return [at(n) for n in range(steps + 1)]


def _stroke(pen: ImageDraw.ImageDraw, points: list[Point], color: str, width: float) -> None:
    """Draw a line with round ends and joints."""
    pen.line(points, fill=color, width=round(width))
    for x, y in points:
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=color)


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for size in (192, 512):
        draw(size).save(folder / f"icon-{size}.png", optimize=True)
        draw(size, maskable=True).save(folder / f"maskable-{size}.png", optimize=True)


if __name__ == "__main__":
    write()
