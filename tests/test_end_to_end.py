"""The whole stack of `make run`, driven with a browser."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tools import chromium
from tools.processes import wait_until
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

PHONE: ViewportSize = {"width": 390, "height": 844}
POLICY = "content-security-policy"
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


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
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


@pytest.fixture
def sign_in(stack: Stack, browser: Browser) -> Iterator[SignIn]:
    """Open a page on a phone, signed in as one of the demo's people."""
    contexts = []

    def enter(username: str) -> Page:
        context = browser.new_context(viewport=PHONE, base_url=stack.url)
        contexts.append(context)
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill("demo")
        page.get_by_test_id("sign-in").click()
        page.wait_for_url(f"{stack.url}/")
        return page

    yield enter
    for context in contexts:
        context.close()


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
    row.locator("th a").click()


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
    found = Axe().run(page).response["violations"]
    serious = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "a page must not scroll sideways on a phone"
    if not username:
        page.close()


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
    links = page.locator("#content-main a").evaluate_all("all => all.map(a => a.pathname)")
    lists = {link for link in links if not link.endswith(("/add/", "/change/"))}
    for each in sorted(lists):
        page.goto(each)
        rows = page.locator("#result_list th a").evaluate_all("all => all.map(a => a.pathname)")
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
