"""The account, the notification center and an announcement, in a browser of two sizes."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import browsing
from tests.support.browsing import LAPTOP, PHONE, SignIns
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

#: Milliseconds after which the bell asks for its news.
BELL_MS = 10_000
LONG_NAME = "Wolfeschlegelsteinhause"
#: Enough that an announcement is not over before it is stopped, at one e-mail in a second.
CROWD = 150

REQUEST = """
from decimal import Decimal
from apps.repairs import requesting
from apps.repairs.models import Damage, FleetUnit, Position, Profile
people = Profile.objects.select_related("user", "company")
manager, technician = people.get(user__username="maria"), people.get(user__username="jane")
unit = FleetUnit.objects.filter(company=manager.company).first()
made = requesting.request_repair(by=technician, unit=unit, damage=Damage.CHIP,
    position=Position.CENTER, estimate=Decimal("210.00"))
print(made.number)
"""
PEOPLE = f"""
from django.contrib.auth.models import User
from apps.core.models import Contact
users = User.objects.bulk_create(User(username=f"crowd{{n}}") for n in range({CROWD}))
Contact.objects.bulk_create(
    Contact(user=user, email=f"{{user.username}}@crowd.example",
        verified_email=f"{{user.username}}@crowd.example")
    for user in users
)
User.objects.filter(username__in=["luis", "sam"]).update(first_name="{LONG_NAME}")
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, EMAIL_RATE_LIMIT="1", SMS_HOURS="always") as running:
        running.shell(PEOPLE)
        yield running


class Visit:
    """Opens pages on one kind of device, signed in as the demo's people."""

    def __init__(self, device: str, sign_in: SignIns) -> None:
        self._sign_in = sign_in
        self._size = PHONE if "phone" in device else LAPTOP
        self.has_scripts = "without" not in device

    def __call__(self, username: str) -> Page:
        return self._sign_in(username, size=self._size, javascript=self.has_scripts)


@pytest.fixture(params=["phone", "phone without scripts", "laptop", "laptop without scripts"])
def enter(request: pytest.FixtureRequest, sign_in: SignIns) -> Visit:
    return Visit(request.param, sign_in)


def new_request(stack: Stack) -> str:
    """Let Jane request a repair that Maria and Luis are asked to approve; return its number."""
    found = re.search(r"R-\d+", stack.shell(REQUEST))
    assert found
    return found[0]


def row_of(page: Page, number: str) -> Locator:
    return page.get_by_test_id("notification").filter(has_text=number)


def check_page(page: Page, enter: Visit) -> None:
    """Check what holds for every page: nothing sideways, and no serious violation."""
    if not enter.has_scripts:
        return
    browsing.check_page(page, ".button")


def switch(page: Page, category: str, name: str, to: str) -> Locator:
    group = page.get_by_test_id(f"category-{category}").get_by_role("radiogroup", name=name)
    return group.get_by_label(to, exact=True)


def test_a_person_chooses_what_reaches_them(stack: Stack, enter: Visit) -> None:
    new_request(stack)
    page = enter("luis")
    # An earlier parameter's choice.
    page.goto("/account/")
    was_on = switch(page, "approval", "Text message", "On").is_checked()
    texts = int(page.get_by_test_id("replay-texts").inner_text().split()[0])
    assert was_on is (texts > 0)
    check_page(page, enter)
    target = "Off" if was_on else "On"
    if enter.has_scripts:
        page.evaluate("window.stays = true")
    switch(page, "approval", "Text message", target).check()
    if not enter.has_scripts:
        page.get_by_test_id("try").click()
    # Before it is saved, the last month shows what it would have been.
    preview = page.get_by_test_id("replay-texts")
    expect(preview).to_have_text("0" if was_on else re.compile(r"[1-9]"))
    page.get_by_test_id("save").click()
    expect(page.locator("#flashes")).to_contain_text("Saved.")
    if enter.has_scripts:
        assert page.evaluate("window.stays")
        expect(page.get_by_test_id("save")).to_be_focused()
    page.goto("/account/")
    expect(switch(page, "approval", "Text message", target)).to_be_checked()


def test_quiet_hours_a_daily_mail_and_a_pause_are_kept(stack: Stack, enter: Visit) -> None:
    page = enter("helen")
    page.goto("/account/")
    times = page.get_by_test_id("times")
    times.get_by_label("By weekday", exact=True).check()
    page.get_by_label("From, on Saturday").fill("00:00")
    page.get_by_label("Until, on Saturday").fill("12:30")
    page.get_by_label("Daily e-mail at").select_option("17")
    page.get_by_test_id("save").click()
    expect(page.locator("#flashes")).to_contain_text(re.compile("Saved|Nothing was changed"))
    page.goto("/account/")
    expect(page.get_by_label("Until, on Saturday")).to_have_value("12:30")
    expect(page.get_by_label("Daily e-mail at")).to_have_value("17")

    page.get_by_test_id("pause-morning").click()
    expect(page.get_by_test_id("paused")).to_contain_text("Paused until")
    check_page(page, enter)
    page.get_by_test_id("pause-end").click()
    expect(page.locator("#flashes")).to_contain_text("Messages come again.")
    expect(page.get_by_test_id("paused")).to_have_count(0)


def test_two_managers_and_one_approval(stack: Stack, enter: Visit) -> None:
    number = new_request(stack)
    maria, luis = enter("maria"), enter("luis")
    for page in (maria, luis):
        page.goto("/notifications/?tab=todo")
        expect(row_of(page, number).get_by_test_id("state")).to_have_text("Awaiting approval")
        check_page(page, enter)
    before = int(maria.get_by_test_id("bell-count").inner_text())

    row_of(maria, number).get_by_test_id("approve").click()
    expect(maria.locator("#flashes")).to_contain_text(f"{number} is approved.")
    assert maria.url.endswith("/notifications/?tab=todo")
    expect(row_of(maria, number)).to_have_count(0)
    expect(maria.get_by_test_id("bell-count")).to_have_text(str(before - 1))
    maria.get_by_test_id("bell").click()
    maria.go_back()
    expect(maria.get_by_test_id("tab-todo")).to_have_attribute("aria-current", "page")
    expect(row_of(maria, number)).to_have_count(0)

    # Luis still has the old page: his tap tells him who was first.
    row_of(luis, number).get_by_test_id("approve").click()
    expect(luis.locator("#flashes")).to_contain_text(f"{number} was already approved by Maria")
    luis.get_by_test_id("tab-all").click()
    row = row_of(luis, number)
    expect(row.get_by_test_id("state")).to_have_text("Approved")
    expect(row.get_by_test_id("approve")).to_have_count(0)


def test_a_denial_in_the_center_asks_for_the_reason(stack: Stack, enter: Visit) -> None:
    number = new_request(stack)
    page = enter("maria")
    page.goto("/notifications/?tab=todo")
    row = row_of(page, number)
    row.get_by_test_id("deny").click()
    row.get_by_test_id("deny-go").click()
    expect(row.get_by_label("Why not?")).to_be_focused()
    expect(row.get_by_label("Why not?")).to_have_accessible_description(
        "The technician reads this. Give the reason: the technician reads it."
    )
    check_page(page, enter)
    row.get_by_label("Why not?").fill("We sell this unit.")
    page.context.clear_cookies(name="sessionid")
    row.get_by_test_id("deny-go").click()
    expect(page.locator("#flashes")).to_contain_text("You were signed out")
    page.get_by_label("Username").fill("maria")
    page.get_by_label("Password").fill("demo")
    page.get_by_test_id("sign-in").click()
    if enter.has_scripts:
        expect(row.get_by_label("Why not?")).to_have_value("We sell this unit.")
    row.get_by_label("Why not?").fill("We sell this unit.")
    row.get_by_test_id("deny-go").click()
    expect(page.locator("#flashes")).to_contain_text(f"{number} is denied.")
    expect(row_of(page, number)).to_have_count(0)


def test_marking_as_read_can_be_undone(stack: Stack, enter: Visit) -> None:
    number = new_request(stack)
    page = enter("maria")
    page.goto("/notifications/")
    new = row_of(page, number).locator(".new")
    expect(new).to_be_visible()
    page.get_by_test_id("read-all").click()
    expect(new).to_have_count(0)
    if enter.has_scripts:
        expect(page.locator("#threads")).to_be_focused()
    page.get_by_test_id("undo-read").click()
    expect(new).to_be_visible()


def test_a_search_in_the_centre_says_what_it_found_and_back_shows_all(
    stack: Stack, sign_in: SignIns
) -> None:
    number = new_request(stack)
    page = sign_in("maria")
    page.goto("/notifications/")
    page.get_by_label("Repair, unit").fill("nobody at all")
    expect(page.locator("#announcements")).to_have_text("No notification matches.")
    page.go_back()
    expect(row_of(page, number)).to_be_visible()


def test_an_open_centre_offers_what_has_come(stack: Stack, enter: Visit) -> None:
    page = enter("luis")
    if enter.has_scripts:
        page.clock.install()
    page.goto("/notifications/")
    number = new_request(stack)
    if not enter.has_scripts:
        page.reload()
    else:
        page.clock.fast_forward(BELL_MS)
        expect(page.get_by_test_id("news")).to_have_text("1 new. Show")
        expect(page).to_have_title(re.compile(r"^\(1\) Notifications"))
        check_page(page, enter)
        page.get_by_test_id("news").click()
    expect(row_of(page, number)).to_be_visible()
    expect(page).to_have_title(re.compile(r"^Notifications"))


def test_a_message_tells_how_it_was_delivered(stack: Stack, enter: Visit) -> None:
    number = new_request(stack)
    page = enter("maria")
    page.goto("/notifications/")
    row_of(page, number).get_by_role("link", name="Details").click()
    expect(page.get_by_test_id("way")).to_contain_text("Text message")
    check_page(page, enter)


def test_an_announcement_is_watched_and_stopped(stack: Stack, enter: Visit) -> None:
    page = enter("sam")
    page.goto("/office/announcements/new/")
    check_page(page, enter)
    page.get_by_label("Title").fill("We are closed on Thursday")
    page.get_by_label("Text", exact=True).fill("Call us if it cannot wait.")
    page.get_by_label("By e-mail", exact=True).check()
    page.get_by_test_id("preview").click()
    expect(page.get_by_test_id("takes")).to_contain_text("minute")
    expect(page.get_by_test_id("cost")).to_have_text("$0.00")
    check_page(page, enter)
    page.get_by_test_id("send").click()
    expect(page.get_by_test_id("bar")).to_be_visible()
    page.go_back()
    expect(page.get_by_test_id("bar").or_(page.get_by_label("Title"))).to_be_visible()
    expect(page.get_by_test_id("send")).to_have_count(0)
    page.go_forward()
    check_page(page, enter)
    if enter.has_scripts:
        # The bar moves by itself.
        sent = page.get_by_test_id("sent")
        expect(sent).not_to_have_text("0")
    page.get_by_test_id("stop").click()
    expect(page.locator("#flashes")).to_contain_text(re.compile(r"Stopped: \d+ messages"))
    progress = page.get_by_test_id("progress")
    expect(progress).to_contain_text("Stopped")
    expect(progress).to_contain_text("Skipped")
    expect(page.get_by_test_id("stop")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_office_or_the_account_has_a_serious_violation(
    stack: Stack, enter: Visit, scheme: str
) -> None:
    page = enter("sam")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in (
        "/account/",
        "/notifications/",
        "/office/people/",
        "/office/people/new/",
        "/office/people/unreached/",
        "/office/people/1/",
        "/office/people/1/erase/",
        "/account/of/1/",
        "/office/announcements/",
        "/office/",
        "/office/channels/email/pause/",
        "/office/costs/",
        "/office/brand/",
    ):
        page.goto(path)
        expect(page.locator("h1").first).to_be_visible()
        check_page(page, enter)
