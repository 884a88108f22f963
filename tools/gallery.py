"""Show the e-mail of every kind: `python -m tools.gallery FOLDER` writes sheets of pictures.

A sheet has one language and one kind of screen. The values are the samples of the kinds, and the
brand is that of the environment: it needs no database.
"""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import django
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, sync_playwright

from tools import chromium, sample_photo

GROUND, INK = "#c9d0d6", "#1c2127"
GAP, CAPTION = 16, 24
#: Pictures are made smaller by this, and have so many colors, so that a sheet is a small file.
SCALE, COLORS = 0.7, 160


class Screen(NamedTuple):
    name: str
    width: int
    columns: int
    scheme: Literal["light", "dark"]


SCREENS = (
    Screen("phone", 360, 6, "light"),
    Screen("dark", 360, 6, "dark"),
    Screen("desktop", 700, 4, "light"),
)


def main() -> None:
    [folder] = map(Path, sys.argv[1:])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rs_systems.settings")
    django.setup()
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(), args=["--no-sandbox", "--disable-gpu"]
        )
        for language in ("en", "es"):
            emails = dict(_emails(language))
            for screen in SCREENS:
                pictures = list(_pictures(browser, screen, emails))
                path = folder / f"messages-{language}-{screen.name}.png"
                sheet = _sheet(pictures, screen.columns)
                # Without these rounds the few points lose their color that show a state.
                few = sheet.quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
                few.save(path, optimize=True)
        browser.close()


def _emails(language: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each kind and the HTML of its e-mail."""
    from apps.core.message import brand, kinds, rendering, wording
    from apps.core.states import Channel

    for kind in kinds.REGISTRY.values():
        words = wording.of_file(kind.name, language)
        email = rendering.draft(
            kind, words, kind.sample, "Pat Doyle", brand.of_environment(), Channel.EMAIL
        )
        assert isinstance(email, rendering.EmailContent)
        yield kind.name, email.html


def _pictures(
    browser: Browser, screen: Screen, emails: dict[str, str]
) -> Iterator[tuple[str, Image.Image]]:
    size = {"width": screen.width, "height": 100}
    page = browser.new_page(viewport=size, color_scheme=screen.scheme)  # type: ignore[arg-type]
    page.route("**/static/sample-photo.jpg", lambda route: route.fulfill(path=sample_photo.FILE))
    for name, html in emails.items():
        page.set_content(html)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        yield name, picture.resize([round(side * SCALE) for side in picture.size])
    page.close()


def _sheet(pictures: Sequence[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """Return the pictures under their names, each in the column that is shortest so far."""
    width = pictures[0][1].width + GAP
    ends = [GAP] * columns
    places = []
    for _, picture in pictures:
        column = ends.index(min(ends))
        places.append((GAP + column * width, ends[column]))
        ends[column] += CAPTION + picture.height + GAP
    sheet = Image.new("RGB", (GAP + columns * width, max(ends)), GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for (name, picture), (left, top) in zip(pictures, places, strict=True):
        draw.text((left, top), name, INK, font)
        sheet.paste(picture, (left, top + CAPTION))
    return sheet


if __name__ == "__main__":
    main()
