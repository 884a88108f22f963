"""The page of the brand in a browser: two sizes, with and without scripts."""

import io
from collections.abc import Callable
from typing import Literal

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import (
    FilePayload,
    FrameLocator,
    Page,
    ViewportSize,
    expect,
)

from tests.support.browsing import LAPTOP, PHONE, SignIns, check_page
from tools.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

LONG_NAME = "Wolfeschlegelsteinhause"
Enter = Callable[..., Page]


@pytest.fixture
def enter(stack: Stack, sign_in: SignIns) -> Enter:
    """Open the page as the office, with a size and with or without scripts."""

    def open_page(size: ViewportSize, *, scripts: bool = True, scheme: str = "light") -> Page:
        dark: Literal["light", "dark"] = "dark" if scheme == "dark" else "light"
        page = sign_in("sam", size=size, javascript=scripts, scheme=dark)
        page.goto("/office/people/")
        page.get_by_role("link", name="Brand", exact=True).click()
        return page

    return open_page


def logo() -> FilePayload:
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((20, 20, 400, 180), fill="navy")
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"name": "logo.png", "mimeType": "image/png", "buffer": file.getvalue()}


def preview(page: Page) -> FrameLocator:
    return page.frame_locator("[data-testid=preview]")


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_the_preview_follows_the_form_and_the_history_goes_back(
    enter: Enter, size: ViewportSize
) -> None:
    page = enter(size)
    before = page.locator("header .brand").inner_text()
    steps = page.evaluate("history.length")
    expect(preview(page).locator("h1")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(LONG_NAME)
    expect(preview(page).locator("body")).to_contain_text(f"{LONG_NAME} ·")
    page.get_by_label("Message", exact=True).select_option("repair_denied")
    expect(preview(page).locator("h1")).to_contain_text("denied")
    page.get_by_label("Logo", exact=True).set_input_files(logo())
    expect(preview(page).get_by_role("img", name=LONG_NAME)).to_be_visible()
    huge = FilePayload(name="huge.png", mimeType="image/png", buffer=bytes(2 * 1024 * 1024))
    page.get_by_label("Logo", exact=True).set_input_files(huge)
    expect(page.get_by_role("alert")).to_contain_text("too large")
    expect(page.get_by_label("Logo", exact=True)).to_have_value("")
    page.get_by_label("Logo", exact=True).set_input_files(logo())
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_label("Accent color").fill("#fc0")
    expect(preview(page).locator("body")).to_contain_text("#ffcc00 is hard to read on light")
    # The back button leaves the page by one step.
    assert page.evaluate("history.length") == steps
    page.get_by_text("Desktop", exact=True).click()
    wide = page.get_by_test_id("preview").bounding_box()
    assert wide
    assert wide["width"] == 640
    check_page(page, "button, .tile")

    page.get_by_test_id("save").click()
    expect(page.locator("#flashes")).to_contain_text("is in effect.")
    header = page.locator("header .brand img")
    expect(header).to_have_attribute("alt", LONG_NAME)
    expect(header).to_have_js_property("naturalWidth", 600)
    expect(page.get_by_test_id("accent-notes")).to_contain_text("#ffcc00 is hard to read on light")
    check_page(page, "button, .tile")

    page.get_by_label("Accent color").fill("navy")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("error-summary")).to_contain_text("Write a color as in #0b5cad.")
    check_page(page, "button, .tile")

    page.goto("/office/brand/")
    page.get_by_label("Name", exact=True).fill("Glass Co")
    page.get_by_label("Remove the logo").check()
    page.get_by_test_id("save").click()
    expect(page.locator("header .brand")).to_have_text("Glass Co")
    earlier = page.get_by_test_id("version").nth(1)
    expect(earlier).to_contain_text("Sam Whitaker")
    earlier.get_by_role("button", name="Use this one again").click()
    expect(page.locator("header .brand img")).to_have_attribute("alt", LONG_NAME)
    page.get_by_label("Name", exact=True).fill(before.strip())
    page.get_by_label("Remove the logo").check()
    page.get_by_label("Accent color").fill("")
    page.get_by_test_id("save").click()
    expect(page.locator("header .brand")).to_have_text(before.strip())


def test_without_scripts_a_button_shows_the_preview(enter: Enter) -> None:
    page = enter(PHONE, scripts=False)
    page.get_by_label("Name", exact=True).fill(LONG_NAME)
    page.get_by_role("button", name="Show it with these fields").click()
    expect(preview(page).locator("body")).to_contain_text(LONG_NAME)
    expect(page.locator("h1")).to_have_text("Brand")
    huge = FilePayload(name="huge.png", mimeType="image/png", buffer=bytes(2 * 1024 * 1024))
    page.get_by_label("Logo", exact=True).set_input_files(huge)
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("error-summary")).to_contain_text("Use one of up to 500 KB.")
    expect(page.get_by_label("Name", exact=True)).to_have_value(LONG_NAME)


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_a_company_s_page_in_the_dark_has_no_serious_violation(
    enter: Enter, size: ViewportSize
) -> None:
    page = enter(size, scheme="dark")
    check_page(page, "button, .tile")
    page.get_by_role("link", name="Redwood Freight").click()
    expect(page.locator("h1 + .eyebrow")).to_contain_text("Redwood Freight")
    expect(preview(page).locator("h1")).to_be_visible()
    check_page(page, "button, .tile")
