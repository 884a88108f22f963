"""A person sees in the cockpit that e-mail is stopped, and lets it run again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsing import LAPTOP, PHONE, SignIns, check_page
from tools.processes import wait_until
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

#: Milliseconds after which the page asks for its news.
EVERY_MS = 20_000
STOP = """
from apps.core.exceptions import ChannelUnavailableError
from apps.core.guards import circuit_breaker
from apps.core.states import Channel
circuit_breaker.stop(Channel.EMAIL, ChannelUnavailableError("Credentials Invalid", code="535"))
"""
#: An e-mail that waits, so that something can be tried.
WRITE = """
from django.contrib.auth.models import User
from apps.core.services.notification import NotificationService
from apps.core.message import kinds
NotificationService().notify("repair_approved", User.objects.get(username="luis"),
    kinds.get("repair_approved").sample.model_dump(), priority=6, action_url="/repairs/1/")
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), EMAIL_CAP_PER_PERSON_H="0") as running:
        yield running


@pytest.fixture(params=[PHONE, LAPTOP], ids=["phone", "laptop"])
def page(request: pytest.FixtureRequest, sign_in: SignIns) -> Page:
    page = sign_in("sam", size=request.param)
    page.clock.install()
    return page


def refreshed(page: Page) -> str:
    """Let the page's clock come to when it asks for news; return the verdict."""
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "cockpit"):
        page.clock.fast_forward(EVERY_MS)
    return page.get_by_test_id("verdict").inner_text()


def test_a_person_sees_that_e_mail_is_stopped_and_lets_it_run_again(
    stack: Stack, page: Page
) -> None:
    verdict = page.get_by_test_id("verdict")
    page.goto("/office/")
    expect(verdict).to_contain_text("All is flowing")
    check_page(page, ".button")
    stack.shell(STOP + WRITE)
    page.goto("/office/")
    expect(verdict).to_contain_text("E-mails are stopped")
    expect(verdict).to_contain_text("535 Credentials Invalid")
    check_page(page, ".button")
    page.get_by_test_id("try").click()
    # The next message is accepted, and the page shows it by itself.
    wait_until(lambda: "All is flowing" in refreshed(page), "all is flowing")


def test_a_pause_holds_all_until_it_is_resumed_and_a_refresh_keeps_place(
    stack: Stack, page: Page
) -> None:
    page.goto("/office/")
    page.get_by_test_id("channel-email").get_by_test_id("pause").click()
    check_page(page, ".button")
    page.get_by_label("Why, for your colleagues").fill("Wrong announcement")
    page.context.clear_cookies(name="sessionid")
    page.get_by_test_id("confirm").click()
    expect(page.locator("#flashes")).to_contain_text("nothing was changed")
    page.get_by_label("Username").fill("sam")
    page.get_by_label("Password").fill("demo")
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_label("Why, for your colleagues")).to_have_value("Wrong announcement")
    page.get_by_test_id("confirm").click()
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("E-mails are paused by Sam")
    expect(verdict).to_contain_text("Wrong announcement")
    page.goto("/office/people/")
    expect(page.get_by_test_id("strip")).to_contain_text("E-mails are paused")
    check_page(page, ".button")
    page.get_by_test_id("strip").get_by_role("link").click()
    pause = page.locator("#pause-sms")
    pause.focus()
    page.evaluate("window.scrollTo(0, 200)")
    refreshed(page)
    expect(pause).to_be_focused()
    assert page.evaluate("window.scrollY") == 200
    page.get_by_test_id("resume").click()
    expect(verdict).to_contain_text("All is flowing")
    page.goto("/office/people/")
    page.go_back()
    expect(verdict).to_contain_text("All is flowing")
