"""The office changes the brand and the words of a message, looks at it, and goes back."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.office.test_brand_in_a_browser import logo
from tests.support.browsing import LAPTOP, PHONE, SignIns, check_page
from tools.processes import wait_until
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

EDITOR = "/office/messages/repair_approved/en/"
SUBJECT = "Go ahead: unit {{ job.unit }} ({{ job.number }})"
LONG_NAME = "Wolfeschlegelsteinhause"
TELL_JANE = """
from django.contrib.auth.models import User
from apps.core.message import kinds
from apps.core.services.notification import NotificationService
jane = User.objects.get(username="jane")
sample = kinds.get("repair_approved").sample
job = sample.job.model_copy(update={"number": "NUMBER"})
context = sample.model_copy(update={"job": job}).model_dump()
NotificationService().notify("repair_approved", jane, context, action_url="/repairs/1/")
print(jane.pk)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    rename = f"User.objects.filter(username='sam').update(last_name='{LONG_NAME}')"
    with running_stack(tmp_path_factory.mktemp("stack"), SMS_HOURS="always") as running:
        running.shell(f"from django.contrib.auth.models import User\n{rename}")
        yield running


def tell_jane(stack: Stack, number: str) -> str:
    """Tell Jane that the repair of this number is approved; return her ID."""
    return stack.shell(TELL_JANE.replace("NUMBER", number)).strip()


def preview(page: Page) -> FrameLocator:
    return page.frame_locator("[data-shape] iframe:not(.loading)")


def await_mail(stack: Stack, page: Page, subject: str) -> None:
    """Wait until the dev inbox's sandbox has an e-mail with this subject."""

    def has_arrived() -> bool:
        listed = page.request.get(f"{stack.sandbox_url}/api/messages?limit=100")
        assert listed.ok
        return subject in listed.text()

    wait_until(has_arrived, f"the inbox has {subject!r}", 60.0)


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_serious_violation(stack: Stack, sign_in: SignIns, size, scheme) -> None:
    page = sign_in("sam", size=size)
    page.emulate_media(color_scheme=scheme)
    for path in ("/office/messages/", EDITOR, "/office/messages/gallery/"):
        page.goto(path)
        check_page(page, ".button, .tile, .tab")
    page.goto(EDITOR)
    page.get_by_label("Text message", exact=True).first.fill("Go \u0142 {{ job.unit }}")
    page.get_by_label("Why do you change it?").fill("To try it.")
    page.get_by_test_id("check").click()
    expect(page.get_by_test_id("report")).to_contain_text("latin small letter l with stroke")
    check_page(page, ".button, .tile, .tab")


def test_the_preview_follows_what_is_written(sign_in: SignIns) -> None:
    page = sign_in("sam", size=LAPTOP)
    page.goto(EDITOR)
    expect(preview(page).locator("h1")).to_contain_text("417")
    steps = page.evaluate("history.length")
    page.get_by_label("Title", exact=True).fill("Hello ")
    page.get_by_role("button", name="{{ job.unit }}").click()
    expect(preview(page).locator("h1")).to_have_text("Hello 417")
    page.get_by_text("In the app", exact=True).click()
    expect(preview(page).locator("article h2")).to_have_text("Hello 417")
    # The back button leaves the page by one step.
    assert page.evaluate("history.length") == steps


def test_without_scripts_a_button_shows_the_preview(sign_in: SignIns) -> None:
    page = sign_in("sam", javascript=False)
    page.goto(EDITOR)
    page.get_by_label("Title", exact=True).fill("Hello {{ job.unit }}")
    page.get_by_test_id("preview").click()
    expect(preview(page).locator("h1")).to_have_text("Hello 417")
    expect(page).to_have_url(f"{page.url.removesuffix(EDITOR)}{EDITOR}")


def test_the_office_changes_brand_and_words_and_goes_back(stack: Stack, sign_in: SignIns) -> None:
    page = sign_in("sam", size=LAPTOP)
    page.goto("/office/brand/")
    page.get_by_label("Logo", exact=True).set_input_files(logo())
    page.get_by_label("Accent color").fill("#7a1fa2")
    page.get_by_test_id("save").click()
    expect(page.locator("#flashes")).to_contain_text("is in effect.")

    tell_jane(stack, "R-7001")
    page.goto(EDITOR)
    page.locator("#id_sentence").fill("You can start.\n<b>Take the lamp with you.")
    page.locator("#id_subject").fill(SUBJECT)
    page.get_by_label("Why do you change it?").fill("People asked when to start.")
    page.get_by_test_id("publish").click()
    report = page.get_by_test_id("report")
    expect(report).to_contain_text("E-mail: sentence, line 2")
    expect(page.get_by_test_id("in-effect")).to_contain_text("Original words")
    page.locator("#id_sentence").fill("You can start.\n<b>Take the lamp with you.</b>")
    page.get_by_test_id("check").click()
    expect(report).to_contain_text("It can be published")
    expect(page.get_by_test_id("differing")).to_contain_text("would have been different")
    expect(report.locator("ins").first).to_be_visible()
    page.get_by_test_id("publish").click()
    expect(page.get_by_test_id("in-effect")).to_contain_text("Version 1")

    tell_jane(stack, "R-7002")
    await_mail(stack, page, "Go ahead: unit 417 (R-7002)")

    page.goto(EDITOR)
    page.get_by_text("Go back to the original words").click()
    page.locator("#why-0").fill("It was too short.")
    page.get_by_test_id("again-0").click()
    expect(page.get_by_test_id("in-effect")).to_contain_text("Original words")
    expect(page.get_by_test_id("history")).to_contain_text("It was too short.")
    jane = tell_jane(stack, "R-7003")
    await_mail(stack, page, "Approved: unit 417, star break, driver side (R-7003)")

    page.goto(f"/office/people/{jane}/?show=emails")
    page.get_by_role("link", name="Go ahead: unit 417 (R-7002)").click()
    expect(page.get_by_test_id("version")).to_have_text("Version 1")
    expect(page.get_by_test_id("subject")).to_have_text("Go ahead: unit 417 (R-7002)")
    frame = page.frame_locator("iframe")
    expect(frame.locator("b")).to_have_text("Take the lamp with you.")
    expect(frame.locator("img").first).to_have_js_property("complete", True)
    check_page(page, ".button, .tile, .tab")
    page.set_viewport_size(PHONE)
    check_page(page, ".button, .tile, .tab")
