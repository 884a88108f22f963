"""A browser on a running stack, with people of the demo signed in."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tools import chromium
from tools.stack import Stack, running_stack

PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start everything with the demo. A module with its own needs has a fixture of this name."""
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


class SignIns:
    """Opens a page for each person, in a context of its own."""

    def __init__(self, stack: Stack, browser: Browser, contexts: ExitStack) -> None:
        self._stack, self._browser, self._contexts = stack, browser, contexts

    def __call__(
        self,
        username: str,
        *,
        size: ViewportSize = PHONE,
        javascript: bool = True,
        scheme: Literal["light", "dark"] = "light",
    ) -> Page:
        context = self._browser.new_context(
            viewport=size,
            java_script_enabled=javascript,
            base_url=self._stack.url,
            color_scheme=scheme,
        )
        self._contexts.callback(context.close)
        page = context.new_page()
        page.goto("/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill("demo")
        page.get_by_test_id("sign-in").click()
        page.wait_for_url(f"{self._stack.url}/")
        return page


@pytest.fixture
def sign_in(stack: Stack, browser: Browser) -> Iterator[SignIns]:
    with ExitStack() as contexts:
        yield SignIns(stack, browser, contexts)


def check_page(page: Page, targets: str, *, javascript: bool = True) -> None:
    """Check that the page fits its width, these are 44 pixels high, and axe finds nothing serious.

    Axe itself waits forever on a page that runs no scripts.
    """
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for target in page.locator(f"main :is({targets}):visible").all():
        box = target.bounding_box()
        assert box
        assert box["height"] >= 44, target.inner_text()
    found = Axe().run(page).response["violations"] if javascript else []
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
