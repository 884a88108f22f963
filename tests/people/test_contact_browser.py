"""Confirming, unsubscribing and STOP in a browser, on phone and desktop, with and without scripts.

E-mails and texts go to the sandbox, and are read in the dev inbox.
"""

import re
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from apps.core import providers, tasks
from apps.core.message import links, unsubscribe
from apps.core.models import Choice, Contact, Delivery, Verification
from apps.core.models.verification import token
from apps.core.services import verification
from apps.core.states import Channel, DeliveryState, Priority
from apps.site.sign_in import SIGNED_OUT
from sandbox.inbox import client as sandbox_client
from sandbox.testing import HOST, RunningSandbox
from tests.support.attempts import attempt
from tests.support.people import create_contact

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = "+12025550105"
WIDTHS = [390, 1280]
SMALL = """() => [...document.querySelectorAll("main :is(button, summary, .button, input)")]
    .filter((each) => each.checkVisibility() && each.type !== "hidden" && each.type !== "checkbox")
    .filter((each) => each.getBoundingClientRect().height < 44)
    .map((each) => each.outerHTML)"""
WIDE = "document.documentElement.scrollWidth - innerWidth"
Open = Callable[..., Page]


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    settings.EMAIL_BACKEND = settings.SES_BACKEND
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, running.smtp_port
    settings.SMS_BACKEND, settings.SMS_ENABLED = settings.SNS_BACKEND, True
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", running.aws_url)
    monkeypatch.setenv(sandbox_client.URL_VARIABLE, running.url)
    providers.forget()
    yield running
    providers.forget()


@pytest.fixture
def jane(transactional_db: None) -> User:
    user = User.objects.create_user(
        "jane", password="demo", first_name="Wolfeschlegelsteinhause", last_name="Ortiz"
    )
    create_contact(user, PHONE, verified_email="", verified_phone="", sms_opt_in=False)
    return user


@pytest.fixture
def open_page(database_browser: Browser, live_server: Any, settings: Any) -> Open:
    """Open a page, signed in as this user or as nobody."""
    settings.SITE_URL = live_server.url

    def enter(
        path: str,
        user: User | None = None,
        *,
        width: int = 1280,
        js: bool = True,
        scheme: Any = None,
    ) -> Page:
        context = database_browser.new_context(
            viewport={"width": width, "height": 844},
            has_touch=width == WIDTHS[0],
            java_script_enabled=js,
            color_scheme=scheme,
            base_url=live_server.url,
        )
        if user:
            visitor = Client()
            visitor.force_login(user)
            cookie = visitor.cookies[django_settings.SESSION_COOKIE_NAME]
            context.add_cookies(
                [{"name": cookie.key, "value": cookie.value, "url": live_server.url}]
            )
        page = context.new_page()
        page.goto(path)
        return page

    return enter


def send_all() -> None:
    for row in Delivery.objects.filter(state=DeliveryState.DUE):
        attempt(row.pk)


def ask(url: str, body: dict[str, str] | None = None) -> int:
    """Ask as a mail program or a scanner does: without cookies."""
    data = urlencode(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
        return int(answer.status)


@pytest.mark.parametrize("js", [True, False], ids=["js", "no-js"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_number_is_confirmed_with_the_code_in_the_dev_inbox(
    open_page: Open, sandbox: RunningSandbox, jane: User, width: int, js: bool
) -> None:
    mine = open_page("/account/contact/", jane, width=width, js=js)
    mine.get_by_test_id("send-code").click()
    expect(mine.get_by_text("A code is on its way")).to_be_visible()
    send_all()

    inbox = open_page("/sandbox/?person=jane", width=width, js=js)
    said = inbox.get_by_test_id("sandbox-text").locator(".sandbox-bubble").inner_text()
    code = re.match(r"\d{6}", said)
    assert code

    wrong = "000001" if code[0] == "000000" else "000000"
    mine.get_by_label("The six digits that we sent").fill(wrong)
    mine.get_by_test_id("enter-code").click()
    expect(mine.get_by_test_id("error-summary")).to_contain_text("That is not the code.")
    mine.get_by_label("The six digits that we sent").fill(code[0])
    expect(mine.get_by_test_id("agree")).not_to_be_checked()
    mine.get_by_test_id("agree").check()
    mine.get_by_test_id("enter-code").click()
    expect(mine.get_by_test_id("contact-phone").get_by_test_id("tick")).to_have_text("Confirmed")
    expect(mine.get_by_test_id("texts-off")).to_be_visible()
    contact = Contact.objects.get(user=jane)
    assert contact.why_not(Channel.SMS) is None
    assert contact.sms_agreed_at


@pytest.mark.parametrize("js", [True, False], ids=["js", "no-js"])
@pytest.mark.parametrize("width", WIDTHS)
def test_stop_and_start_of_the_dev_inbox_s_phone_switch_the_texts(
    open_page: Open, sandbox: RunningSandbox, jane: User, width: int, js: bool
) -> None:
    Contact.objects.update(verified_phone=PHONE, sms_opt_in=True)
    inbox = open_page("/sandbox/?person=jane", width=width, js=js)
    inbox.get_by_test_id("reply-STOP").click()
    expect(inbox.get_by_test_id("sandbox-reply")).to_contain_text("You are opted out")
    tasks.read_opt_outs()

    mine = open_page("/account/contact/", jane, width=width, js=js)
    off = mine.get_by_test_id("contact-phone")
    expect(off).to_contain_text("Text messages are off: switched off by answering STOP")
    inbox.get_by_test_id("reply-START").click()
    expect(inbox.get_by_test_id("sandbox-reply").last).to_contain_text("You are opted in again")
    tasks.read_opt_outs()
    mine.reload()
    expect(off).to_contain_text("You switched them on again by answering START")


@pytest.mark.parametrize("js", [True, False], ids=["js", "no-js"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_received_e_mail_unsubscribes_by_post_and_not_by_a_scanner_s_get(
    open_page: Open,
    sandbox: RunningSandbox,
    jane: User,
    notify: Callable[..., Any],
    width: int,
    js: bool,
) -> None:
    Contact.objects.update(verified_email="jane@fleet.example")
    notify(jane, "repair_completed", priority=Priority.MEDIUM)
    send_all()
    [mail] = sandbox.messages(kind="email", full=1)
    headers = {name: value.strip() for name, value in mail["headers"]}
    link = headers["List-Unsubscribe"].strip("<>")
    assert link in mail["text"]

    assert ask(link) == 200
    assert not Choice.objects.exists()
    assert ask(link, {"List-Unsubscribe": "One-Click"}) == 200
    [choice] = Choice.objects.present()
    assert (choice.category, choice.setting, choice.via) == ("repair_status", "off", "mail_client")

    page = open_page(link, width=width, js=js)
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    page.get_by_test_id("undo").click()
    expect(page.get_by_role("heading", name="Unsubscribe?")).to_be_visible()
    assert not Choice.objects.present().exists()
    page.get_by_test_id("daily").click()
    expect(page.get_by_role("heading", name="Once a day")).to_be_visible()
    page.get_by_test_id("stop").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()


def test_the_link_of_the_e_mail_confirms_the_address(
    open_page: Open, sandbox: RunningSandbox, jane: User
) -> None:
    mine = open_page("/account/contact/", jane, width=390)
    mine.get_by_test_id("send-email").click()
    send_all()
    [mail] = sandbox.messages(kind="email", full=1)
    link = re.search(r"http\S+/confirm/\S+", mail["text"])
    assert link
    elsewhere = open_page(link[0], width=390)
    elsewhere.get_by_test_id("confirm-email").click()
    expect(elsewhere.get_by_text("The address is confirmed")).to_be_visible()
    mine.reload()
    expect(mine.get_by_test_id("contact-email").get_by_test_id("tick")).to_have_text("Confirmed")


def test_what_was_typed_is_kept_when_the_session_has_ended(open_page: Open, jane: User) -> None:
    page = open_page("/account/contact/", jane)
    page.get_by_text("Change the number").click()
    page.get_by_label("Mobile number").fill("202 555 0199")
    page.context.clear_cookies(name=django_settings.SESSION_COOKIE_NAME)
    page.get_by_test_id("change-phone").click()
    expect(page.get_by_text(SIGNED_OUT.format("nothing was changed"))).to_be_visible()
    page.get_by_label("Username").fill("JANE")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_label("Password")).to_have_attribute("type", "text")
    page.get_by_test_id("sign-in").click()
    page.get_by_text("Change the number").click()
    expect(page.get_by_label("Mobile number")).to_have_value("202 555 0199")
    assert Contact.objects.get(user=jane).phone == PHONE


def test_a_code_is_not_kept_when_the_session_has_ended(open_page: Open, jane: User) -> None:
    verification.send(Contact.objects.get(user=jane), Channel.SMS)
    page = open_page("/account/contact/", jane)
    page.get_by_label("The six digits that we sent").fill("123456")
    page.get_by_test_id("agree").check()
    page.context.clear_cookies(name=django_settings.SESSION_COOKIE_NAME)
    page.get_by_test_id("enter-code").click()
    expect(page.get_by_text(SIGNED_OUT.format("nothing was changed"))).to_be_visible()
    kept = page.evaluate("sessionStorage.getItem('draft')")
    assert "agree" in kept
    assert "123456" not in kept


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_are_accessible(
    open_page: Open, sandbox: RunningSandbox, jane: User, width: int, scheme: str
) -> None:
    contact = Contact.objects.get(user=jane)
    row = verification.send(contact, Channel.EMAIL)
    verification.send(contact, Channel.SMS)
    sandbox.reply(PHONE, "STOP")
    leave = unsubscribe.token(unsubscribe.Subscription(jane.pk, ("approval", "repair_status")))
    page = open_page("/account/contact/", jane, width=width, scheme=scheme)
    _check(page)
    for summary in page.locator("details.contact-change summary").all():
        summary.click()
    _check(page)
    page.get_by_label("Mobile number").fill("12")
    page.get_by_test_id("change-phone").click()
    _check(page)
    assert Verification.objects.count() == 2
    Contact.objects.update(
        verified_phone=PHONE, verified_email="jane@fleet.example", sms_opt_in=True
    )
    for path in ("/account/contact/", "/sandbox/?person=jane"):
        page.goto(path)
        _check(page)
    anybody = open_page("/login/", width=width, scheme=scheme)
    for path in (
        "/login/",
        "/password/",
        links.new_password_path(jane),
        "/password/x/y/",
        f"/account/contact/confirm/{token(row.pk)}/",
        "/account/contact/confirm/x/",
        f"/unsubscribe/{leave}/",
        "/unsubscribe/x/",
    ):
        anybody.goto(path)
        _check(anybody)


def _check(page: Page) -> None:
    page.wait_for_load_state()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["impact"]) for each in found] == [], page.url
    assert page.evaluate(SMALL) == [], page.url
    assert page.evaluate(WIDE) <= 0, page.url
