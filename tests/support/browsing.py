"""A browser on a running stack, with people of the demo signed in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tools import chromium
from tools.stack import Stack, running_stack

PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start everything with the demo. A module with its own needs has a fixture of this name."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@contextmanager
def running_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def database_browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser for a test that asks the database in this process, too."""
    # Playwright runs an event loop in this thread. Meanwhile Django refuses the database here
    # unless it is told otherwise, and opens connections of their own, which nobody else closes.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with running_browser() as browser:
        yield browser
        connections.close_all()


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
            has_touch=size == PHONE,
            java_script_enabled=javascript,
            base_url=self._stack.url,
            color_scheme=scheme,
        )
        self._contexts.callback(context.close)
        _post_password(context, username)
        page = context.new_page()
        page.goto("/")
        return page


def _post_password(context: BrowserContext, username: str) -> None:
    """Sign in without drawing the form, which tests/test_end_to_end.py fills in."""
    context.request.get("/login/")
    token = next(each["value"] for each in context.cookies() if each["name"] == "csrftoken")
    form: dict[str, str | float | bool] = {
        "csrfmiddlewaretoken": token,
        "username": username,
        "password": "demo",
    }
    answer = context.request.post("/login/", form=form, max_redirects=0)
    assert answer.status == 302, answer.text()


@pytest.fixture
def sign_in(stack: Stack, browser: Browser) -> Iterator[SignIns]:
    with ExitStack() as contexts:
        yield SignIns(stack, browser, contexts)


#: Forms in which the browser itself would refuse what is missing, instead of our own words.
REFUSING = """forms => forms
    .filter(form => !form.noValidate && [...form.elements].some(each => each.willValidate &&
        (each.required || each.pattern || each.min || each.max || each.minLength > 0 ||
        ["email", "url", "number"].includes(each.type))))
    .map(form => form.outerHTML.slice(0, 200))"""
#: Forms that lose what was typed if the session has ended.
FORGETFUL = """forms => forms
    .filter(form => !("draft" in form.dataset))
    .filter(form => form.querySelector(
        "select, textarea, input:not([type=hidden], [type=checkbox], [type=file])"))
    .map(form => form.outerHTML.slice(0, 200))"""
#: Lists that offer nothing, and nothing beside them says why.
SILENT = """lists => lists
    .filter(list => list.checkVisibility() && !list.hasAttribute("aria-describedby"))
    .filter(list => [...list.options].every(option => !option.value))
    .map(list => list.outerHTML.slice(0, 200))"""


def check_page(page: Page, targets: str, *, javascript: bool = True) -> None:
    """Check that the page fits its width, these are 44 pixels high, and axe finds nothing serious.

    No form leaves its errors to the browser or forgets what was typed, and no list is empty
    without a word. Axe itself waits forever on a page that runs no scripts.
    """
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("main form").evaluate_all(REFUSING) == []
    assert page.locator("main form[method=post]").evaluate_all(FORGETFUL) == []
    assert page.locator("main select").evaluate_all(SILENT) == []
    for target in page.locator(f"main :is({targets}):visible").all():
        box = target.bounding_box()
        assert box
        assert box["height"] >= 44, target.inner_text()
    found = Axe().run(page).response["violations"] if javascript else []
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
