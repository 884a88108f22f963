"""Undo, and one approval seen by two managers, in a browser on the whole stack."""

import re
import sqlite3
from contextlib import closing

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.browsing import LAPTOP, PHONE, SignIns
from tools.processes import wait_until
from tools.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

MESSAGES = """
    SELECT notification.kind, delivery.state
    FROM core_delivery AS delivery
    JOIN core_notification AS notification ON notification.id = delivery.notification_id
    WHERE notification.about_id = ?
"""
every_size = pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
with_and_without_javascript = pytest.mark.parametrize(
    "javascript", [True, False], ids=["javascript", "no-javascript"]
)


def messages_about(stack: Stack, number: str) -> set[tuple[str, str]]:
    """Return (kind, state) of the deliveries about this repair."""
    with closing(sqlite3.connect(f"file:{stack.var / 'db.sqlite3'}?mode=ro", uri=True)) as database:
        return set(database.execute(MESSAGES, [int(number[2:]) - 1000]))


def number_on(page: Page) -> str:
    found = re.search(r"R-\d+", page.locator(".ids").first.inner_text())
    assert found
    return found[0]


def open_first(page: Page, action: str) -> str:
    """Open the first repair on which this person can act so; return its number."""
    card = page.get_by_test_id("repair-card").filter(has=page.get_by_test_id(action)).first
    card.locator("h3 a").click()
    page.wait_for_url(re.compile(r"/repairs/\d+/$"))
    return number_on(page)


def undo(page: Page) -> None:
    button = page.get_by_test_id("undo")
    expect(button).to_be_visible()
    box = button.bounding_box()
    assert box
    assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    button.click()


def serious_violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


@every_size
@with_and_without_javascript
def test_an_approval_is_undone_and_nobody_hears_of_it(
    stack: Stack, sign_in: SignIns, size: ViewportSize, javascript: bool
) -> None:
    page = sign_in("maria", size=size, javascript=javascript)
    number = open_first(page, "approve")
    page.get_by_test_id("approve").click()
    expect(page.get_by_test_id("state").first).to_contain_text("Approved")
    undo(page)
    expect(page.locator(".flash")).to_contain_text(f"Undone: {number} is awaiting approval again.")
    expect(page.get_by_test_id("approve")).to_be_visible()
    expect(page.locator(".history li").first).to_contain_text("Undone: approved")
    told = {each for each in messages_about(stack, number) if each[0] == "repair_approved"}
    assert told == {("repair_approved", "skipped")}


@every_size
@with_and_without_javascript
def test_a_denial_is_undone(sign_in: SignIns, size: ViewportSize, javascript: bool) -> None:
    page = sign_in("maria", size=size, javascript=javascript)
    open_first(page, "deny")
    page.get_by_test_id("deny").click()
    page.get_by_label("Why not?").fill("The wrong truck.")
    page.get_by_test_id("deny").click()
    expect(page.get_by_test_id("state").first).to_contain_text("Denied")
    undo(page)
    expect(page.get_by_test_id("state").first).to_contain_text("Awaiting approval")
    expect(page.locator(".facts")).not_to_contain_text("The wrong truck.")


@every_size
@with_and_without_javascript
def test_a_start_and_a_completion_are_undone(
    sign_in: SignIns, size: ViewportSize, javascript: bool
) -> None:
    page = sign_in("priya", size=size, javascript=javascript)
    open_first(page, "start")
    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("state").first).to_contain_text("In progress")
    undo(page)
    expect(page.get_by_test_id("state").first).to_contain_text("Approved")
    page.goto("/")
    open_first(page, "complete")
    page.get_by_test_id("complete").click()
    expect(page.get_by_test_id("state").first).to_contain_text("Completed")
    undo(page)
    expect(page.get_by_test_id("state").first).to_contain_text("In progress")


def test_an_approval_on_the_first_page_is_undone_in_its_card(sign_in: SignIns) -> None:
    page = sign_in("maria")
    waiting = page.locator("#waiting").inner_text()
    card = page.get_by_test_id("repair-card").filter(has=page.get_by_test_id("approve")).first
    key = card.get_attribute("id")
    card.get_by_test_id("approve").click()
    card = page.locator(f"#{key}")
    expect(card.get_by_test_id("undo")).to_be_visible()
    expect(page.locator("#waiting")).not_to_have_text(waiting)
    assert serious_violations(page) == []
    card.get_by_test_id("undo").click()
    expect(card.get_by_test_id("approve")).to_be_visible()
    expect(page.locator("#waiting")).to_have_text(waiting)
    assert page.url.endswith("/")


def test_the_page_of_a_higher_cost_fits_a_phone(sign_in: SignIns) -> None:
    page = sign_in("maria")
    open_first(page, "approve-cost")
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert serious_violations(page) == []


@with_and_without_javascript
def test_a_batch_is_undone_as_a_whole(sign_in: SignIns, javascript: bool) -> None:
    page = sign_in("maria", javascript=javascript)
    page.get_by_test_id("batch-card").first.locator("h3 a").click()
    page.get_by_test_id("approve-batch").click()
    expect(page.get_by_test_id("state").first).to_contain_text("Approved")
    undo(page)
    expect(page.get_by_test_id("approve-batch")).to_be_visible()


@with_and_without_javascript
def test_the_offer_ends_and_then_the_message_leaves(
    stack: Stack, sign_in: SignIns, javascript: bool
) -> None:
    page = sign_in("luis", javascript=javascript)
    number = open_first(page, "approve")
    page.get_by_test_id("approve").click()
    expect(page.get_by_test_id("undo")).to_be_visible()
    expect(page.get_by_test_id("undo")).to_be_hidden()
    wait_until(
        lambda: {("repair_approved", "delivered")} <= messages_about(stack, number),
        "the message about the approval has arrived",
        90,
    )


def bell(page: Page) -> int:
    return int(page.get_by_test_id("bell-count").inner_text())


def request_with_estimate(page: Page) -> str:
    page.goto("/repairs/new/")
    option = page.locator("#id_unit option").filter(has_text="Unit 305")
    page.get_by_label("Vehicle").select_option(value=option.get_attribute("value"))
    page.get_by_label("Bottom edge").check()
    page.get_by_label("Crack").check()
    page.get_by_label("Estimate").fill("77")
    page.get_by_test_id("send-request").click()
    page.wait_for_url(re.compile(r"/repairs/\d+/$"))
    return number_on(page)


def test_one_managers_approval_clears_the_others_bell(stack: Stack, sign_in: SignIns) -> None:
    maria, luis, jane = sign_in("maria"), sign_in("luis", size=LAPTOP), sign_in("jane")
    before = {page: bell(page) for page in (maria, luis)}
    number = request_with_estimate(jane)
    for page, count in before.items():
        page.goto("/")
        assert bell(page) == count + 1
    card = maria.get_by_test_id("repair-card").filter(has_text=number)
    card.get_by_test_id("approve").click()
    for page, count in before.items():
        expect(page.get_by_test_id("bell-count")).to_have_text(str(count))
    stale = luis.get_by_test_id("repair-card").filter(has_text=number)
    stale.get_by_test_id("approve").click()
    expect(stale).to_contain_text(f"{number} was already approved by Maria Alvarez")
    requests = {state for kind, state in messages_about(stack, number) if "reminder" in kind}
    assert requests == {"skipped"}
