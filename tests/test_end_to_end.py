"""The whole stack of `make run`, driven with a browser."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FloatRect,
    Locator,
    Page,
    ViewportSize,
    expect,
)

from tools.processes import wait_until
from tools.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
LONG_NAME = "Wolfeschlegelsteinhause"
POLICY = "content-security-policy"
#: #56d364, by apps/core/message/layout.py.
GOOD_IN_THE_DARK = "rgb(86, 211, 100)"
SignIn = Callable[[str], Page]
#: Read from the file itself: a manage.py command would take a second each time.
LOG_ABOUT = """
    SELECT delivery.channel, delivery.state, log.event
    FROM core_delivery AS delivery
    JOIN core_notification AS notification ON notification.id = delivery.notification_id
    LEFT JOIN core_notificationdeliverylog AS log ON log.delivery_id = delivery.id
    WHERE notification.about_id = ? AND notification.kind = 'repair_approved'
    ORDER BY delivery.channel
"""


@pytest.fixture
def sign_in(stack: Stack, browser: Browser) -> Iterator[SignIn]:
    """Open a page on a phone, signed in as one of the demo's people."""
    contexts = []

    def enter(username: str) -> Page:
        context = browser.new_context(viewport=PHONE, has_touch=True, base_url=stack.url)
        contexts.append(context)
        page = context.new_page()
        page.goto("/")
        give_password(page, username)
        page.wait_for_url(f"{stack.url}/")
        return page

    yield enter
    for context in contexts:
        context.close()


def give_password(page: Page, username: str) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill("demo")
    page.get_by_test_id("sign-in").click()


def approve_one_of(technician: str, manager: Page) -> str:
    """Approve the first waiting repair of this technician and return its number."""
    card = manager.get_by_test_id("repair-card").filter(
        has_text=technician, has=manager.get_by_test_id("approve")
    )
    number = re.search(r"R-\d+", card.first.inner_text())
    assert number
    card.first.get_by_test_id("approve").click()
    approved = manager.get_by_test_id("repair-card").filter(has_text=number[0])
    expect(approved.get_by_test_id("state")).to_contain_text("Approved")
    return number[0]


def inbox_of(username: str, page: Page) -> None:
    page.goto("/sandbox/")
    page.locator(f'[data-testid="sandbox-person"][data-username="{username}"]').click()


def test_an_approval_in_the_browser_reaches_the_technician(stack: Stack, sign_in: SignIn) -> None:
    technician, manager = sign_in("tom"), sign_in("maria")
    expect(technician.get_by_test_id("bell-count")).to_have_text("0")

    number = approve_one_of("Tom", manager)

    inbox_of("tom", manager)
    expect(manager.get_by_test_id("sandbox-text")).to_contain_text(number)
    expect(manager.get_by_test_id("sandbox-email")).to_contain_text(number)
    technician.reload()
    expect(technician.get_by_test_id("bell-count")).to_have_text("1")
    wait_until(
        lambda: deliveries_about(stack, number) == ["email delivered", "sms delivered"],
        "SES's event and SNS's receipt have been applied",
        90,
    )


def test_an_approval_while_redis_is_down_arrives_once_when_it_is_back(
    stack: Stack, sign_in: SignIn
) -> None:
    manager = sign_in("maria")
    stack.redis("stop")
    number = approve_one_of("Jane", manager)
    assert deliveries_about(stack, number) == ["email due", "sms due"]
    stack.redis("start")
    accepted = {"email accepted", "email delivered", "sms accepted", "sms delivered"}
    wait_until(
        lambda: accepted.issuperset(deliveries_about(stack, number)),
        "both messages are accepted",
        60,
    )
    inbox_of("jane", manager)
    expect(manager.get_by_test_id("sandbox-text").filter(has_text=number)).to_have_count(1)
    expect(manager.get_by_test_id("sandbox-email").filter(has_text=number)).to_have_count(1)


def test_a_bounce_is_in_the_log_and_the_next_email_is_skipped(
    stack: Stack, sign_in: SignIn
) -> None:
    manager, office = sign_in("maria"), sign_in("sam")

    first = approve_one_of("Rosa", manager)
    show_delivery(office, first, "Bounced")
    log = office.locator("#log-group")
    expect(log).to_contain_text("Calling the provider")
    expect(log).to_contain_text("Permanent General")
    office.goto("/admin/core/suppression/")
    expect(office.locator("#result_list")).to_contain_text("bounce@simulator.amazonses.com")
    expect(office.locator("#result_list")).to_contain_text("messages to it bounce")

    second = approve_one_of("Rosa", manager)
    show_delivery(office, second, "Skipped")
    why = "address is suppressed: messages to it bounce"
    expect(office.locator("#log-group")).to_contain_text(why)
    inbox_of("rosa", manager)
    expect(manager.get_by_test_id("sandbox-email")).to_have_count(1)
    expect(manager.get_by_test_id("sandbox-suppressed")).to_contain_text("messages to it bounce")


def show_delivery(office: Page, number: str, state: str) -> None:
    """Open the page of the e-mail about this repair as soon as it has this state."""
    row = office.locator("#result_list tbody tr").filter(has_text="E-mail")

    def has_state() -> bool:
        office.goto(f"/admin/core/delivery/?q={number}")
        return state in row.inner_text()

    wait_until(has_state, f"the e-mail about {number} is {state.lower()}")
    row.get_by_role("link").first.click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("username", "path"),
    [
        ("", "/login/"),
        ("maria", "/"),
        ("tom", "/"),
        ("sam", "/"),
        ("maria", "/repairs/1/"),
        ("jane", "/repairs/new/"),
        ("sam", "/repairs/new/"),
        ("maria", "/batches/1/"),
        ("tom", "/notifications/"),
        ("sam", "/sandbox/"),
        ("sam", "/sandbox/?person=rosa"),
        ("sam", "/nowhere/"),
    ],
)
def test_no_page_has_a_serious_accessibility_violation(
    stack: Stack, browser: Browser, sign_in: SignIn, username: str, path: str, scheme: str
) -> None:
    page = sign_in(username) if username else browser.new_page(base_url=stack.url)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(path)
    assert serious_violations(page) == []
    if not username:
        page.close()


def serious_violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(
    ("username", "paths"),
    [
        ("", ["/login/", "/nowhere/"]),
        ("maria", ["/", "/repairs/1/", "/batches/1/", "/repairs/new/", "/notifications/"]),
        ("tom", ["/", "/repairs/new/", "/notifications/"]),
        ("sam", ["/", "/repairs/new/", "/sandbox/", "/sandbox/?person=maria", "/admin/"]),
    ],
)
def test_no_page_loads_anything_that_the_policy_forbids(
    stack: Stack, browser: Browser, sign_in: SignIn, username: str, paths: list[str]
) -> None:
    page = sign_in(username) if username else browser.new_page(base_url=stack.url)
    refused = refusals(page)
    if username == "sam":
        paths = [*paths, *administration(page)]
    for path in paths:
        answer = page.goto(path, wait_until="load")
        assert answer
        assert answer.status == 404 or "default-src 'none'" in answer.headers[POLICY], path
    assert refused == []
    page.close()


def test_the_policy_allows_an_approval_and_the_frame_of_an_email(sign_in: SignIn) -> None:
    page = sign_in("helen")
    refused = refusals(page)
    number = approve_one_of("Priya", page)
    inbox_of("priya", page)
    page.get_by_test_id("sandbox-email").filter(has_text=number).click()
    frame = page.frame_locator("iframe.sandbox-frame")
    expect(frame.locator("h1")).to_be_visible()
    assert refused == []


def refusals(page: Page) -> list[str]:
    """Return a list that grows with each refusal by the Content-Security-Policy."""
    refused: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            refused.append(f"{page.url}: {message.text}")

    page.on("console", listen)
    return refused


def administration(page: Page) -> list[str]:
    """Return the admin's pages: each list, each add form, and one row of each model."""
    page.goto("/admin/")
    links = page.locator("#main table a").evaluate_all("all => all.map(a => a.pathname)")
    lists = {link for link in links if not link.endswith(("/add/", "/change/"))}
    for each in sorted(lists):
        page.goto(each)
        rows = page.locator("#result_list tbody a").evaluate_all("all => all.map(a => a.pathname)")
        links += rows[:1]
    return sorted(set(links))


def deliveries_about(stack: Stack, number: str) -> list[str]:
    """Return "channel state" of each delivery about this repair; its log must have the state."""
    rows: dict[str, tuple[str, set[str]]] = {}
    with closing(sqlite3.connect(f"file:{stack.var / 'db.sqlite3'}?mode=ro", uri=True)) as database:
        for channel, state, event in database.execute(LOG_ABOUT, [int(number[2:]) - 1000]):
            rows.setdefault(channel, (state, set()))[1].add(event)
    for state, events in rows.values():
        assert state in {"due", "sending"} or {state, "calling"} <= events, events
    return [f"{channel} {state}" for channel, (state, _) in rows.items()]


# --- On a phone ---------------------------------------------------------------------------------
@pytest.fixture
def luis(stack: Stack, sign_in: SignIn) -> Page:
    """Return the phone of a manager with a first name of 23 letters and more than 99 messages."""
    stack.manage("shell", "--no-imports", "--command", LONG_NAME_AND_MESSAGES)
    return sign_in("luis")


LONG_NAME_AND_MESSAGES = f"""
from django.contrib.auth.models import User
from apps.core.models import Notification
User.objects.filter(username="luis").update(first_name="{LONG_NAME}")
luis = User.objects.get(username="luis")
if luis.notifications.count() < 100:
    Notification.objects.bulk_create(
        Notification(recipient=luis, kind="x", priority=9, context={{}}, title=f"Message {{n}}")
        for n in range(120)
    )
"""


def test_no_page_scrolls_sideways_with_a_long_first_name(luis: Page) -> None:
    expect(luis.get_by_test_id("user-menu")).to_have_accessible_name(f"Your account: {LONG_NAME}")
    for path in ("/", "/repairs/1/", "/batches/1/", "/repairs/new/", "/notifications/"):
        luis.goto(path)
        for width in (390, 320):
            luis.set_viewport_size({"width": width, "height": 844})
            wide = luis.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{path} at {width} px"


def test_the_count_of_the_bell_does_not_cover_the_menu(luis: Page) -> None:
    expect(luis.get_by_test_id("bell-count")).to_have_text("99+")
    count, menu = box(luis.get_by_test_id("bell-count")), box(luis.get_by_test_id("user-menu"))
    assert count["x"] + count["width"] <= menu["x"]


def test_the_link_to_a_batch_is_large_enough_to_tap(sign_in: SignIn) -> None:
    page = sign_in("tom")
    links = page.locator(".ids a")
    expect(links.first).to_be_visible()
    for link in links.all():
        assert box(link)["height"] >= 44


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found
    return found


def test_an_incomplete_request_shows_its_errors_and_leads_to_them(sign_in: SignIn) -> None:
    page = sign_in("jane")
    page.goto("/repairs/new/")
    page.get_by_test_id("send-request").tap()
    summary = page.get_by_test_id("error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    expect(summary).to_contain_text("3 things are missing or wrong")
    assert serious_violations(page) == []
    place = page.get_by_role("radiogroup", name="Where is it?")
    expect(place).to_have_accessible_description(
        "As you stand in front of the vehicle Choose the place."
    )
    summary.get_by_role("link", name="Where is it?").tap()
    expect(page.locator("#id_break-0-position_0")).to_be_in_viewport()
    # Smooth scrolling would dismiss what the browser shows beside a field.
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_a_denial_without_a_reason_shows_its_error(sign_in: SignIn) -> None:
    page = sign_in("maria")
    page.get_by_test_id("deny").first.tap()
    page.get_by_test_id("deny").tap()
    expect(page.get_by_test_id("error-summary")).to_be_focused()
    assert serious_violations(page) == []


def test_back_after_an_approval_shows_the_repair_as_approved(sign_in: SignIn) -> None:
    page = sign_in("helen")
    card = page.get_by_test_id("repair-card").filter(has=page.get_by_test_id("approve")).last
    card.locator("h3 a").tap()
    page.wait_for_url(re.compile(r"/repairs/\d+/$"))
    number = re.search(r"\d+", page.url.rpartition("/repairs/")[2])
    assert number
    page.get_by_test_id("approve").tap()
    expect(page.get_by_test_id("state").first).to_contain_text("Approved")
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Lakeshore Dairy")
    expect(page.locator(f"#repair-{number[0]}")).to_have_count(0)
    page.go_forward()
    expect(page.get_by_test_id("state").first).to_contain_text("Approved")
    expect(page.get_by_test_id("approve")).to_have_count(0)


def fill_in_request(page: Page, vehicle: str) -> None:
    page.goto("/repairs/new/")
    choose_vehicle(page, vehicle)
    page.get_by_label("Center").check()
    page.get_by_label("Crack").check()
    page.get_by_label("Anything to know").fill("Behind the mirror")


def choose_vehicle(page: Page, vehicle: str) -> None:
    option = page.locator("#id_unit option").filter(has_text=vehicle)
    page.get_by_label("Vehicle").select_option(value=option.get_attribute("value"))


def test_back_and_sending_a_request_again_makes_one_repair(stack: Stack, sign_in: SignIn) -> None:
    page = sign_in("maria")
    fill_in_request(page, "Unit 318")
    page.get_by_test_id("send-request").tap()
    page.wait_for_url(re.compile(r"/repairs/\d+/$"))
    made = page.url
    page.go_back()
    page.wait_for_url("**/repairs/new/")
    choose_vehicle(page, "Unit 318")
    page.get_by_label("Center").check()
    page.get_by_label("Crack").check()
    page.get_by_test_id("send-request").tap()
    expect(page.get_by_test_id("same-break").or_(page.locator(".flash"))).to_be_visible()
    if page.get_by_test_id("same-break").is_visible():
        expect(page.get_by_test_id("same-break")).to_be_focused()
        assert serious_violations(page) == []
    assert made.endswith(f"/repairs/{newest_repair(stack)}/")


def newest_repair(stack: Stack) -> int:
    code = "from apps.repairs.models import Repair; print(Repair.objects.latest('pk').pk)"
    return int(stack.manage("shell", "--no-imports", "--command", code))


def test_an_expired_session_keeps_the_typed_reason(stack: Stack, sign_in: SignIn) -> None:
    page = sign_in("maria")
    page.get_by_test_id("deny").first.tap()
    page.wait_for_url("**/deny/")
    form = page.url
    page.get_by_label("Why not?").fill("We sell it on Friday.")
    number = re.search(r"Deny (R-\d+)", page.title())
    assert number
    page.context.clear_cookies(name="sessionid")
    page.get_by_test_id("deny").tap()
    expect(page.locator("#flashes")).to_contain_text(
        f"You were signed out, so {number[1]} was not denied."
    )
    give_password(page, "maria")
    page.wait_for_url(form)
    expect(page.get_by_label("Why not?")).to_have_value("We sell it on Friday.")


def test_an_expired_session_keeps_a_request_with_two_breaks(sign_in: SignIn) -> None:
    page = sign_in("jane")
    fill_in_request(page, "Unit 436")
    page.get_by_test_id("add-break").tap()
    second = page.get_by_test_id("break").nth(1)
    second.get_by_label("Chip").check()
    second.get_by_label("Estimate").fill("65.50")
    page.context.clear_cookies(name="sessionid")
    page.get_by_test_id("send-request").tap()
    give_password(page, "jane")
    page.wait_for_url("**/repairs/new/")
    expect(page.get_by_label("Vehicle").locator("option:checked")).to_contain_text("Unit 436")
    first, second = page.get_by_test_id("break").nth(0), page.get_by_test_id("break").nth(1)
    expect(first.get_by_label("Crack")).to_be_checked()
    expect(first.get_by_label("Anything to know")).to_have_value("Behind the mirror")
    expect(second.get_by_label("Chip")).to_be_checked()
    expect(second.get_by_label("Estimate")).to_have_value("65.50")


def test_a_draft_is_not_shown_to_another_user(sign_in: SignIn) -> None:
    page = sign_in("maria")
    page.get_by_test_id("deny").first.tap()
    page.wait_for_url("**/deny/")
    form = page.url
    page.get_by_label("Why not?").fill("We sell it on Friday.")
    page.context.clear_cookies(name="sessionid")
    page.get_by_test_id("deny").tap()
    give_password(page, "luis")
    page.wait_for_url(form)
    expect(page.get_by_label("Why not?")).to_have_value("")


def test_an_expired_session_of_a_tap_leads_back_to_its_page(stack: Stack, sign_in: SignIn) -> None:
    page = sign_in("maria")
    page.context.clear_cookies(name="sessionid")
    page.get_by_test_id("approve").first.tap()
    expect(page.locator("#flashes")).to_contain_text("You were signed out")
    give_password(page, "maria")
    page.wait_for_url(f"{stack.url}/")


def test_an_added_and_a_removed_break_are_focused_and_announced(sign_in: SignIn) -> None:
    page = sign_in("tom")
    page.goto("/repairs/new/")
    news, breaks = page.locator("#announcements"), page.get_by_test_id("break")
    page.get_by_test_id("add-break").tap()
    expect(breaks).to_have_count(2)
    expect(breaks.nth(1).locator("legend").first).to_be_focused()
    expect(breaks.nth(1).locator("legend").first).to_be_in_viewport()
    expect(news).to_have_text("Break 2 added.")
    assert serious_violations(page) == []
    page.get_by_role("button", name="Remove break 1").tap()
    expect(breaks).to_have_count(1)
    expect(breaks.first.locator("legend").first).to_be_focused()
    expect(news).to_have_text("Break 1 removed. 1 break left.")


def test_filter_results_are_announced(sign_in: SignIn) -> None:
    page = sign_in("sam")
    page.get_by_label("Unit, plate, person or damage").press_sequentially("R-1001")
    expect(page.locator("#announcements")).to_have_text("1 repair")


# --- On paper and on a laptop -------------------------------------------------------------------
def test_a_page_is_printed_dark_on_white_without_buttons(sign_in: SignIn) -> None:
    page = sign_in("maria")
    page.emulate_media(media="print", color_scheme="dark")
    for path in ("/", "/repairs/1/", "/notifications/"):
        page.goto(path)
        style = "(({color, backgroundColor}) => [color, backgroundColor])"
        colours = page.evaluate(f"{style}(getComputedStyle(document.body))")
        assert colours == ["rgb(20, 25, 29)", "rgb(255, 255, 255)"]
        for each in page.locator(".band, .button, .filters, .skip").all():
            expect(each).to_be_hidden()


def test_the_lists_of_the_admin_fit_a_laptop(sign_in: SignIn) -> None:
    page = sign_in("sam")
    page.set_viewport_size(LAPTOP)
    page.goto("/admin/")
    links = page.locator("#main th a").evaluate_all("all => all.map(a => a.pathname)")
    assert "/admin/core/delivery/" in links
    for link in links:
        page.goto(link)
        wide = page.evaluate(
            "Math.max(0, ...[...document.querySelectorAll('.simplebar-content-wrapper, html')]"
            ".map(each => each.scrollWidth - each.clientWidth))"
        )
        assert wide == 0, link


def test_the_state_of_a_delivery_is_not_cut_within_a_word(sign_in: SignIn) -> None:
    technician = sign_in("tom")
    technician.get_by_test_id("start").first.click()
    expect(technician.get_by_test_id("undo")).to_be_visible()
    page = sign_in("sam")
    page.set_viewport_size(LAPTOP)
    page.goto("/admin/core/delivery/")
    cut = page.locator("#result_list td[class*=field-state]").evaluate_all(
        """cells => cells.filter(cell => {
          const words = cell.textContent.trim().split(/\\s+/).length;
          const range = document.createRange();
          range.selectNodeContents(cell);
          return new Set([...range.getClientRects()].map(each => each.top)).size > words;
        }).length"""
    )
    assert page.locator("#result_list td[class*=field-state]").count() > 0
    assert cut == 0


def test_the_line_of_an_email_keeps_its_color_in_dark_mode(sign_in: SignIn) -> None:
    page = sign_in("maria")
    number = approve_one_of("Dave", page)
    page.emulate_media(color_scheme="dark")
    inbox_of("dave", page)
    page.get_by_test_id("sandbox-email").filter(has_text=number).click()
    email = page.frame_locator("iframe.sandbox-frame")
    line = email.locator("td.card").evaluate("e => getComputedStyle(e).borderTopColor")
    word = email.locator(".state").evaluate("e => getComputedStyle(e).color")
    assert line == word == GOOD_IN_THE_DARK
