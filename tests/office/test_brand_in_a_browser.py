"""The page of the brand in a browser: two sizes, with and without scripts."""

import io
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import (
    Browser,
    FilePayload,
    FrameLocator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from tools import chromium
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
LONG_NAME = "Wolfeschlegelsteinhause"
Enter = Callable[..., Page]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def enter(stack: Stack, browser: Browser) -> Iterator[Enter]:
    """Open the page as the office, with a size and with or without scripts."""
    contexts = []

    def sign_in(size: ViewportSize, *, scripts: bool = True, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport=size,
            java_script_enabled=scripts,
            base_url=stack.url,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.goto("/login/")
        page.get_by_label("Username").fill("sam")
        page.get_by_label("Password").fill("demo")
        page.get_by_test_id("sign-in").click()
        page.wait_for_url(f"{stack.url}/")
        page.goto("/office/people/")
        page.get_by_role("link", name="Brand", exact=True).click()
        return page

    yield sign_in
    for context in contexts:
        context.close()


def logo() -> FilePayload:
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((20, 20, 400, 180), fill="navy")
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"name": "logo.png", "mimeType": "image/png", "buffer": file.getvalue()}


def preview(page: Page) -> FrameLocator:
    return page.frame_locator("[data-testid=preview]")


def check_page(page: Page) -> None:
    """Check that nothing is sideways, that targets are large enough, and no serious violation."""
    page.wait_for_load_state()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]  # type: ignore[index]
    for button in page.locator("main button:visible, main .tile:visible").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 44
    found = Axe().run(page).response["violations"]
    assert [x["id"] for x in found if x["impact"] in ("serious", "critical")] == []


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
    check_page(page)

    page.get_by_test_id("save").click()
    expect(page.locator("#flashes")).to_contain_text("is in effect.")
    header = page.locator("header .brand img")
    expect(header).to_have_attribute("alt", LONG_NAME)
    expect(header).to_have_js_property("naturalWidth", 600)
    expect(page.get_by_test_id("accent-notes")).to_contain_text("#ffcc00 is hard to read on light")
    check_page(page)

    page.get_by_label("Accent color").fill("navy")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("error-summary")).to_contain_text("Write a color as in #0b5cad.")
    check_page(page)

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


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_a_company_s_page_in_the_dark_has_no_serious_violation(
    enter: Enter, size: ViewportSize
) -> None:
    page = enter(size, scheme="dark")
    check_page(page)
    page.get_by_role("link", name="Redwood Freight").click()
    expect(page.locator("h1 + .eyebrow")).to_contain_text("Redwood Freight")
    expect(preview(page).locator("h1")).to_be_visible()
    check_page(page)
