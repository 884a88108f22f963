"""A browser on a running stack, with people of the demo signed in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tools import chromium
from tools.stack import Stack

PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}


@contextmanager
def launched() -> Iterator[Browser]:
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
        self, username: str, *, size: ViewportSize = PHONE, javascript: bool = True
    ) -> Page:
        context = self._browser.new_context(
            viewport=size, java_script_enabled=javascript, base_url=self._stack.url
        )
        self._contexts.callback(context.close)
        page = context.new_page()
        page.goto("/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill("demo")
        page.get_by_test_id("sign-in").click()
        page.wait_for_url(f"{self._stack.url}/")
        return page
