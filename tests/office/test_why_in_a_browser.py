"""The office finds out in the browser why Rosa got nothing, and fixes it."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.browsing import LAPTOP, PHONE, SignIns
from tools.processes import wait_until
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

#: Rosa takes no texts. Her repair on this unit is approved, and she is told by e-mail alone.
APPROVE = """
from django.contrib.auth.models import User
from apps.core.models import Contact, Suppression
from apps.repairs import services
from apps.repairs.models import Profile, Repair
contact = Contact.objects.get(user__username="rosa")
contact.email = contact.verified_email = "{address}"
contact.sms_opt_in = False
contact.save()
User.objects.filter(username="rosa").update(last_name="{name}")
if {is_suppressed}:
    Suppression.objects.create(channel="email", address="{address}", reason="bounce")
repair = Repair.objects.filter(unit__number="{unit}", technician__user__username="rosa").get()
services.approve(repair, by=Profile.objects.get(user__username="maria"))
print(f"repair={{repair.pk}}.")
"""
BOUNCING = "bounce@simulator.amazonses.com"
LONG_NAME = "Wolfeschlegelsteinhause"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), SMS_HOURS="always") as running:
        yield running


def approve(stack: Stack, unit: str, address: str, *, is_suppressed: bool = False) -> str:
    """Approve Rosa's repair on this unit; return the path of its page."""
    script = APPROVE.format(unit=unit, address=address, is_suppressed=is_suppressed, name=LONG_NAME)
    found = re.search(r"repair=(\d+)\.", stack.shell(script))
    assert found
    return f"/repairs/{found[1]}/"


def open_until(page: Page, path: str, words: str) -> None:
    """Open a page, again and again, until it has these words."""

    def has_words() -> bool:
        page.goto(path)
        return words in page.content()

    wait_until(has_words, f"{path} says {words!r}")


def check(page: Page, size: ViewportSize) -> None:
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], page.url
    found = Axe().run(page).response["violations"]
    assert [x["id"] for x in found if x["impact"] in ("serious", "critical")] == [], page.url
    for button in page.locator("main button:visible, main summary:visible").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 43.5, button.inner_text()


def send_again_until_it_arrives(page: Page, size: ViewportSize) -> None:
    approved = page.get_by_test_id("seen").filter(has_text="approved").first
    approved.get_by_test_id("again").first.click()
    expect(page.get_by_text("It is sent again.")).to_be_visible()
    # Without the fragment, with which the browser would not ask again.
    open_until(page, page.url.partition("#")[0], "E-mail: arrived")
    check(page, size)


def open_rosa(page: Page, path: str, size: ViewportSize) -> None:
    """Find on the repair's page that Rosa got nothing, read why, and go to her page."""
    open_until(page, path, f"See why Rosa {LONG_NAME} was not reached")
    check(page, size)
    told = page.get_by_test_id("told").filter(has_text="has not agreed to text messages").first
    told.locator("summary").click()
    expect(told).to_contain_text("the contact details")
    check(page, size)
    page.get_by_test_id("fix").first.click()
    check(page, size)


def test_an_address_that_bounced_is_corrected_and_the_message_arrives(
    stack: Stack, sign_in: SignIns
) -> None:
    path = approve(stack, "208", BOUNCING)
    page = sign_in("sam", size=PHONE)
    open_rosa(page, path, PHONE)
    reach = page.get_by_test_id("reach-email")
    expect(reach).to_contain_text("suppressed: messages to it bounce")
    reach.get_by_test_id("fix").click()
    reach.get_by_label("E-mail address").fill("rosa@new.example")
    reach.get_by_test_id("save").click()
    expect(page.get_by_text("A link is on its way")).to_be_visible()
    reach.get_by_test_id("confirm").click()
    expect(reach).to_contain_text("Works")
    send_again_until_it_arrives(page, PHONE)


def test_a_suppression_is_lifted_and_the_message_arrives(stack: Stack, sign_in: SignIns) -> None:
    path = approve(stack, "219", "rosa.delgado@fleet.example", is_suppressed=True)
    page = sign_in("sam", size=LAPTOP, javascript=False)
    open_until(page, path, "messages to this address bounce")
    page.get_by_test_id("fix").first.click()
    page.get_by_test_id("lift").click()
    expect(page.get_by_test_id("reach-email")).to_contain_text("Works")
    page = sign_in("sam", size=LAPTOP)
    open_rosa(page, path, LAPTOP)
    send_again_until_it_arrives(page, LAPTOP)
