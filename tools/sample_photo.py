"""Draw the photo of a star break that samples and the demo show: `python -m tools.sample_photo`."""

import math
import random
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

FILE = Path(__file__).parent.parent / "rs_systems" / "static" / "sample-photo.jpg"
WIDTH, HEIGHT = 640, 480
#: Drawn larger, then made smaller, so that edges are smooth.
SCALE = 2
CENTER = (350 * SCALE, 215 * SCALE)
LEGS = ((-15, 150), (38, 95), (95, 62), (148, 118), (205, 80), (262, 105), (318, 66))


def main() -> None:
    chance = random.Random(1)
    picture = _view()
    light = Image.new("L", picture.size)
    _draw_break(ImageDraw.Draw(light), chance)
    glow = ImageChops.lighter(light, light.filter(ImageFilter.GaussianBlur(5 * SCALE)))
    picture.paste(Image.new("RGB", picture.size, "#f4fafc"), mask=glow)
    x, y = CENTER
    pit = [x - 7 * SCALE, y - 6 * SCALE, x + 7 * SCALE, y + 6 * SCALE]
    ImageDraw.Draw(picture).ellipse(pit, "#27323a", "#eef5f8", SCALE)
    picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(
        FILE, "JPEG", quality=80, optimize=True
    )


def _view() -> Image.Image:
    """Return a yard out of focus behind the glass: sky, a hall, the ground and the hood."""
    picture = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#9db4c2")
    draw = ImageDraw.Draw(picture)
    for row in range(HEIGHT * SCALE):
        share = row / (HEIGHT * SCALE)
        draw.line(
            [(0, row), (WIDTH * SCALE, row)], tuple(round(c - 60 * share) for c in (170, 194, 208))
        )
    for box, color in (
        ((0, 215, 250, 330), "#66757e"),
        ((250, 240, 430, 330), "#7b8184"),
        ((470, 190, 640, 330), "#5a6971"),
        ((0, 325, 640, 480), "#565c5e"),
    ):
        draw.rectangle([side * SCALE for side in box], color)
    draw.ellipse([side * SCALE for side in (-80, 400, 720, 640)], "#313a40")
    return picture.filter(ImageFilter.GaussianBlur(13 * SCALE))


def _draw_break(draw: ImageDraw.ImageDraw, chance: random.Random) -> None:
    for angle, length in LEGS:
        draw.line(_leg(angle, length, chance), 225, 2 * SCALE, "curve")
    for radius, brightness in ((30, 90), (21, 130), (13, 190)):
        box = [side + sign * radius * SCALE for sign in (-1, 1) for side in CENTER]
        draw.ellipse(box, outline=brightness, width=SCALE)


def _leg(angle: float, length: float, chance: random.Random) -> list[tuple[float, float]]:
    """Return the points of a crack that wanders a little on its way from the center."""
    points = []
    for step in range(0, round(length), 8):
        turn = math.radians(angle + chance.uniform(-4, 4))
        x, y = CENTER
        points.append((x + step * SCALE * math.cos(turn), y + step * SCALE * math.sin(turn)))
    return points


if __name__ == "__main__":
    main()
