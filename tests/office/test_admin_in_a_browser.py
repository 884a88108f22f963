"""The admin in a browser, as the office uses it: two sizes, light and dark."""

import re
from contextlib import ExitStack

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.browsing import LAPTOP, PHONE, SignIns
from tests.support.services import wait_until
from tools.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

#: How far the widest part of a page or of a list goes beyond its edge, in pixels.
TOO_WIDE = """Math.max(0, ...[...document.querySelectorAll('html, .simplebar-content-wrapper')]
    .map(each => each.scrollWidth - each.clientWidth))"""


@pytest.fixture(scope="module", autouse=True)
def _bounced(stack: Stack, browser: Browser) -> None:
    """Let a message bounce, so there are a delivery, its events and a suppression."""
    with ExitStack() as contexts:
        enter = SignIns(stack, browser, contexts)
        manager = enter("maria")
        manager.locator(".card, article").filter(has_text="Rosa").get_by_test_id(
            "approve"
        ).first.click()
        office = enter("sam")

        def is_suppressed() -> bool:
            office.goto("/admin/core/suppression/")
            return office.locator("#result_list").count() > 0

        wait_until(is_suppressed, "the address that bounces is suppressed")


def problems(page: Page) -> list[str]:
    """Return a list that grows with each error of the console and each foreign request."""
    found: list[str] = []
    host = re.match(r"https?://[^/]+", page.url)
    assert host
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: (
            found.append(asked.url) if not asked.url.startswith((host[0], "data:")) else None
        ),
    )
    return found


def check(page: Page) -> None:
    """Check that nothing is cut off, and that there is no serious violation."""
    assert page.evaluate(TOO_WIDE) == 0, page.url
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], each["nodes"][0]["html"])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == [], page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_the_lists_and_pages_fit_and_can_be_read(
    sign_in: SignIns, size: ViewportSize, scheme: str
) -> None:
    page = sign_in("sam", size=size)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = problems(page)
    page.goto("/admin/")
    expect(page.locator("html")).to_have_class("dark" if scheme == "dark" else "")
    check(page)
    lists = page.locator("#main th a").evaluate_all("all => all.map(a => a.pathname)")
    assert "/admin/core/delivery/" in lists
    for each in lists:
        page.goto(each)
        check(page)
        row = page.locator("#result_list a[href*='/change/']").first
        if row.count():
            row.click()
            page.wait_for_url("**/change/**")
            check(page)
    assert found == []


def test_the_office_lifts_a_suppression_and_sends_again_on_its_pages(
    sign_in: SignIns,
) -> None:
    page = sign_in("sam", size=LAPTOP)
    page.goto("/admin/core/suppression/?q=Rosa")
    page.locator("#result_list a[href*='/change/']").first.click()
    page.get_by_role("button", name="Lift: send to the address again").click()
    expect(page.locator("body")).to_contain_text("1 suppressions are lifted.")
    expect(page.get_by_role("button", name="Lift")).to_have_count(0)
    page.goto("/admin/core/delivery/?q=Rosa&state__exact=bounced")
    page.locator("#result_list a[href*='/change/']").first.click()
    expect(page.locator(".as-sent")).to_contain_text("Rosa")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("body")).to_contain_text("1 of 1 deliveries will be sent again.")


def test_the_filters_open_and_work_with_the_keyboard(sign_in: SignIns) -> None:
    page = sign_in("sam", size=LAPTOP)
    page.goto("/admin/core/delivery/")
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    page.locator("#changelist-filter").get_by_role("link", name="Text message").click()
    page.wait_for_url("**channel__exact=sms**")
    expect(page.locator("#result_list tbody").first).to_contain_text("Text message")


def test_an_action_of_the_list_is_readable(sign_in: SignIns) -> None:
    page = sign_in("sam", size=LAPTOP)
    page.goto("/admin/core/delivery/")
    page.locator("#result_list input[name=_selected_action]").first.check()
    expect(page.locator("#changelist-actions")).to_be_visible()
    check(page)


@pytest.mark.parametrize(
    ("size", "number"),
    [(PHONE, "+12025550198"), (LAPTOP, "+12025550199")],
    ids=["phone", "laptop"],
)
def test_without_scripts_lists_filters_and_actions_work(
    sign_in: SignIns, size: ViewportSize, number: str
) -> None:
    page = sign_in("sam", size=size, javascript=False)
    page.goto("/admin/core/delivery/")
    page.locator("#changelist-filter").get_by_role("link", name="E-mail").click()
    page.locator("#result_list a[href*='/change/']").first.click()
    expect(page.locator(".as-sent")).to_be_visible()
    page.goto("/admin/core/contact/?q=Rosa")
    page.locator("#result_list a[href*='/change/']").first.click()
    page.get_by_label("Mobile number").fill(number)
    page.locator("input[name=send_confirmation]").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list a[href*='/change/']").first.click()
    page.get_by_role("button", name="Confirm the mobile number").click()
    expect(page.locator("body")).to_contain_text("1 mobile numbers confirmed.")
