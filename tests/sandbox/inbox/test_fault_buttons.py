"""The fault buttons of the dev inbox, against a running sandbox."""

import re
import smtplib
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from sandbox.inbox import client as sandbox_client
from sandbox.inbox.buttons import MORE, NEXT, SWITCHES
from sandbox.testing import HOST, RunningSandbox, running_sandbox
from tests.support.clients import SendEmail, SendText, send_email, send_over, smtp
from tests.support.inbox import INBOX, page
from tests.support.subscriber import running_subscriber
from tools.processes import wait_until

JANE = "jane@fleet.example"
PHONE = "+12025550105"
TO = {"email": JANE, "sms": PHONE}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("endpoint")]


def press(client: Client, path: str, **fields: str) -> str:
    answer = client.post(f"{INBOX}{path}", fields, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def in_force(html: str) -> list[str]:
    """Return the sentences of the rules on the page."""
    found = re.findall(r'data-testid="sandbox-rule">\s*<p>(.*?)</p>', html)
    return [words.replace("&#x27;", "'") for words in found]


def state_of(html: str, channel: str) -> str:
    card = html[html.index(f'data-testid="sandbox-provider-{channel}"') :]
    [state] = re.findall(r'<p class="sandbox-state [^"]*">(.*?)</p>', card)[:1]
    return state


@pytest.mark.parametrize(
    ("channel", "fault", "words"),
    [
        ("email", "bounce", "The next e-mail to Jane bounces"),
        ("email", "complain", "The next e-mail to Jane is reported as spam"),
        ("email", "delay", "The next e-mail to Jane is delayed"),
        ("email", "refuse", "The next e-mail to Jane is refused permanently"),
        ("email", "fail", "The next e-mail to Jane is refused temporarily"),
        ("email", "time-out", "The next e-mail to Jane is accepted, but never answered"),
        ("email", "hang", "The next e-mail to Jane is never answered"),
        ("email", "slow", "The next e-mail to Jane is answered 5 s late"),
        ("email", "drop", "The next e-mail to Jane is accepted, but its connection is closed"),
        ("email", "late", "The next e-mail to Jane gets its events 20 s late"),
        (
            "email",
            "early",
            "The next e-mail to Jane gets its events before the send call is answered",
        ),
        ("email", "twice", "The next e-mail to Jane gets its events twice"),
        ("email", "reversed", "The next e-mail to Jane gets its events in reverse order"),
        ("sms", "lose", "The next text to Jane is not delivered"),
        ("sms", "opt-out", "The next text to Jane is answered with STOP"),
        ("sms", "refuse", "The next text to Jane is refused permanently"),
        ("sms", "fail", "The next text to Jane is refused temporarily"),
        ("sms", "time-out", "The next text to Jane is accepted, but never answered"),
        ("sms", "hang", "The next text to Jane is never answered"),
        ("sms", "slow", "The next text to Jane is answered 5 s late"),
        ("sms", "drop", "The next text to Jane is accepted, but its connection is closed"),
        ("sms", "late", "The next text to Jane gets its receipt 20 s late"),
        ("sms", "twice", "The next text to Jane gets its receipt twice"),
    ],
)
def test_a_button_adds_a_rule_for_one_message_and_the_page_shows_it(
    client: Client, jane: User, sandbox: RunningSandbox, channel: str, fault: str, words: str
) -> None:
    html = press(client, "next/", person="jane", channel=channel, to=TO[channel], fault=fault)

    [rule] = sandbox.rules()
    assert (rule["channel"], rule["to"], rule["times"]) == (channel, TO[channel], 1)
    assert in_force(html) == [words]
    assert in_force(page(client)) == [words]


def test_the_page_shows_every_fault_button(client: Client, jane: User) -> None:
    html = page(client, person="jane")

    for channel, buttons in NEXT.items():
        [form] = re.findall(rf'<form id="next-{channel}".*?</form>', html, re.DOTALL)
        further = [name for group in MORE[channel].values() for name in group]
        assert re.findall(r'name="fault" value="([^"]+)"', form) == [*buttons, *further]
        assert f'name="to" value="{TO[channel]}"' in form


def test_only_the_next_message_fails(client: Client, jane: User, sandbox: RunningSandbox) -> None:
    press(client, "next/", person="jane", channel="email", to=JANE, fault="fail")

    with smtp(sandbox) as sender:
        assert [send_over(sender, JANE)[0] for _ in range(2)] == [451, 250]
    assert in_force(page(client)) == []


def test_buttons_about_events_are_merged_into_one_rule(
    client: Client, jane: User, sandbox: RunningSandbox
) -> None:
    sandbox.rule(channel="email", times=1, events={"outcome": "delay"})
    press(client, "next/", person="jane", channel="email", to=JANE, fault="fail")
    for fault in ("complain", "twice", "late", "bounce", "early"):
        html = press(client, "next/", person="jane", channel="email", to=JANE, fault=fault)

    assert in_force(html) == [
        "The next e-mail to Jane bounces and gets its events twice, before the send call is"
        " answered",
        "The next e-mail to Jane is refused temporarily",
        "The next e-mail is delayed",
    ]


def test_a_text_has_no_buttons_for_early_or_reversed_events(client: Client, jane: User) -> None:
    fields = {"channel": "sms", "to": PHONE}

    assert client.post(f"{INBOX}next/", {**fields, "fault": "early"}).status_code == 404
    assert client.post(f"{INBOX}next/", {**fields, "fault": "reversed"}).status_code == 404


def test_an_address_without_a_contact_has_the_buttons_of_its_channel(
    client: Client, sms: SendText
) -> None:
    sms("+12025550199")

    html = page(client, address="+12025550199")

    assert 'id="next-sms"' in html
    assert 'id="next-email"' not in html
    html = press(
        client, "next/", address="+12025550199", channel="sms", to="+12025550199", fault="lose"
    )
    assert in_force(html) == ["The next text to +12025550199 is not delivered"]


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("fault", SWITCHES)
def test_a_provider_s_fault_is_ended_by_its_button(
    client: Client, sandbox: RunningSandbox, channel: str, fault: str
) -> None:
    other = "sms" if channel == "email" else "email"

    html = press(client, "provider/", channel=channel, fault=fault, providers="1")

    [rule] = sandbox.rules()
    assert (rule["channel"], rule["to"]) == (channel, None)
    assert 0 < rule["left_s"] <= 60
    assert re.search(r" until \d+:\d\d:\d\d [AP]M", state_of(html, channel))
    assert state_of(html, other) == "Works normally"

    html = press(client, "provider/", channel=channel, providers="1")
    assert sandbox.rules() == []
    assert state_of(html, channel) == "Works normally"
    assert send_email(sandbox)[0] == 250


def test_ending_a_provider_s_faults_keeps_a_person_s(
    client: Client, jane: User, sandbox: RunningSandbox
) -> None:
    sandbox.rule(channel="email", answer="throttle")
    sandbox.rule(answer="paused")
    kept = sandbox.rule(channel="email", to=JANE, answer="permanent")

    press(client, "provider/", channel="email")

    assert [rule["id"] for rule in sandbox.rules()] == [kept["id"]]


def test_a_rule_can_be_ended_twice_by_its_button(
    client: Client, jane: User, sandbox: RunningSandbox
) -> None:
    rule = sandbox.rule(channel="email", to=JANE, answer="permanent")
    path = f"rules/{rule['id']}/end/"
    assert f'action="{INBOX}{path}"' in page(client, person="jane")

    assert in_force(press(client, path, person="jane")) == []
    assert "The fault has ended." in press(client, path, person="jane")
    assert sandbox.rules() == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"answer": "drop"}, "Every message is not accepted, and its connection is closed"),
        ({"answer": "hang", "channel": "sms", "times": 3}, "Each of the next 3 texts is never"),
        ({"answer": "transient", "share": 0.25}, "Every message, with a chance of 25%, is refused"),
        ({"answer": "refuse"}, "SES and SNS refuse every connection"),
        ({"answer": "credentials", "channel": "sms"}, "SNS refuses our credentials"),
        (
            {"answer": "slow", "events": {"outcome": "bounce", "copies": 3, "timing": "early"}},
            "Every message is answered 0 s late and bounces and gets its events 3 times,"
            " before the send call is answered",
        ),
        ({"events": {"reversed": True}}, "Every message gets its events in reverse order"),
        ({"events": {}}, "Every message gets its events as usual"),
        ({"to": "someone@else.example", "answer": "drop"}, "Every message to someone@else.example"),
    ],
)
def test_every_rule_is_described_in_a_sentence(
    client: Client, sandbox: RunningSandbox, rule: dict[str, Any], words: str
) -> None:
    sandbox.rule(**rule)

    [said] = in_force(page(client))
    assert said.startswith(words)


@pytest.mark.parametrize(
    "fields",
    [
        {"channel": "email", "to": JANE, "fault": "explode"},
        {"channel": "email", "to": JANE, "fault": "opt-out"},
        {"channel": "fax", "to": JANE, "fault": "bounce"},
        {"channel": "email", "fault": "bounce"},
        {},
    ],
)
def test_an_unknown_button_is_not_found(
    client: Client, sandbox: RunningSandbox, fields: dict[str, str]
) -> None:
    assert client.post(f"{INBOX}next/", fields).status_code == 404
    assert client.post(f"{INBOX}provider/", {"channel": "fax"}).status_code == 404
    assert client.post(f"{INBOX}provider/", {"channel": "email", "fault": "x"}).status_code == 404
    assert sandbox.rules() == []


@pytest.mark.parametrize("path", ["next/", "provider/", "rules/1/end/"])
def test_the_buttons_need_post_and_a_csrf_token(client: Client, path: str) -> None:
    assert Client(enforce_csrf_checks=True).post(f"{INBOX}{path}").status_code == 403
    assert client.get(f"{INBOX}{path}").status_code == 405


def test_the_state_of_a_sandbox_that_is_down_is_unknown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sandbox_client.URL_VARIABLE, f"http://{HOST}:9")

    assert state_of(page(client), "email") == "Unknown while the sandbox cannot be read"
    assert "Nothing was changed." in press(client, "provider/", channel="email", fault="down")


def test_a_fault_that_begins_or_ends_updates_the_open_page(
    client: Client, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stop the clock: each new minute also updates the page.
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)

    def seen() -> Any:
        html = client.get(f"{INBOX}live/").content.decode()
        return re.findall(r'{"seen": "([^"]+)"}', html)

    before = seen()
    rule = sandbox.rule(channel="email", answer="throttle", times=2)
    during = seen()
    send_email(sandbox, JANE)
    used = seen()
    sandbox_client.end_rule(rule["id"])

    assert before != during
    assert during != used
    assert seen() == before


def test_a_text_shows_its_receipt(
    client: Client, jane: User, sms: SendText, sandbox: RunningSandbox
) -> None:
    sms(PHONE)
    sandbox.rule(channel="sms", times=1, events={"outcome": "bounce"})
    sms(PHONE)
    sandbox.rule(channel="sms", times=1, events={"outcome": "none"})
    sms(PHONE)
    wait_until(lambda: sandbox.health()["events"]["waiting"] == 0, "every event was published")

    html = page(client, person="jane")

    receipts = re.findall(r'data-testid="sandbox-receipt">(.*?)</p>', html)
    assert [re.sub(r"<[^>]+>", "", receipt) for receipt in receipts] == [
        "Delivered to the carrier",
        "Phone is currently unreachable/unavailable",
        "No receipt yet",
    ]


def shown_events(html: str) -> list[str]:
    [part] = re.findall(r'<section id="events".*?</section>', html, re.DOTALL)
    rows = re.findall(r"<li>(.*?)</li>", part, re.DOTALL)
    return [" ".join(re.sub(r"<time.*?</time>|<[^>]+>", "", row).split()) for row in rows]


def test_an_open_email_shows_events_and_the_application_s_answers(
    client: Client, jane: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = {"Send": 200, "Bounce": 403}
    with running_subscriber() as subscriber:
        subscriber.answer = lambda delivery: statuses[delivery.type]
        with running_sandbox(0, subscriber.url) as sandbox:
            monkeypatch.setenv(sandbox_client.URL_VARIABLE, sandbox.url)
            sandbox.rule(events={"outcome": "bounce", "timing": "early"})
            with smtp(sandbox) as sender:
                _, reply = send_over(sender, JANE, X_SES_CONFIGURATION_SET="rs-events")
            message_id = reply.split()[1]

            html = page(client, person="jane", email=message_id)
            assert shown_events(html) == [
                "Send accepted (200)",
                "Bounce Permanent General refused (403)",
            ]
            again = client.get(reverse("sandbox:events", args=[message_id]))
            assert shown_events(again.content.decode()) == shown_events(html)


def test_an_email_without_a_configuration_set_shows_why_it_has_no_events(
    client: Client, email: SendEmail, jane: User
) -> None:
    message_id = email(JANE)

    assert "the e-mail has no configuration set" in page(client, person="jane", email=message_id)


def test_the_events_of_an_unknown_email_are_not_found(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = reverse("sandbox:events", args=["none"])
    assert client.get(path).status_code == 404

    monkeypatch.setenv(sandbox_client.URL_VARIABLE, f"http://{HOST}:9")
    assert client.get(path).status_code == 503


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_buttons_work_in_a_browser_and_open_panels_stay_open(
    live_server: Any, browser_page: Any, email: SendEmail, jane: User, sandbox: RunningSandbox
) -> None:
    browser_page.goto(f"{live_server.url}{INBOX}?person=jane")
    browser_page.get_by_text("Next message").click()
    browser_page.get_by_text("the text's answer and receipt").click()
    email(JANE, subject="Just arrived")
    browser_page.get_by_text("Just arrived").wait_for()
    expect(browser_page.get_by_role("group", name="Receipt")).to_be_visible()
    browser_page.locator("#next-sms").get_by_role("button", name="Receipt twice").click()

    rules = browser_page.get_by_test_id("sandbox-rule")
    expect(rules).to_contain_text("The next text to Jane gets its receipt twice")
    rules.get_by_role("button").click()
    expect(browser_page.get_by_text("The fault has ended.")).to_be_visible()
    browser_page.get_by_text("Next message").click()
    browser_page.locator("#next-email").get_by_role("button", name="Refuse permanently").click()
    expect(rules).to_contain_text("The next e-mail to Jane is refused permanently")
    with pytest.raises(smtplib.SMTPDataError):
        email(JANE)
    expect(rules).to_have_count(0)

    browser_page.get_by_test_id("sandbox-to-providers").click()
    card = browser_page.get_by_test_id("sandbox-provider-sms")
    card.get_by_role("button", name="Throttle for 20 s").click()
    expect(card).to_contain_text("Every text is throttled until")
    rules.get_by_role("button").click()
    expect(card).to_contain_text("Works normally")
    assert sandbox.rules() == []


SMALL = """() => [...document.querySelectorAll("main button, main summary, main .button")]
    .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
    .map((each) => each.textContent)"""


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_buttons_are_accessible_on_phone_and_desktop(
    live_server: Any,
    browser_page: Any,
    email: SendEmail,
    jane: User,
    sandbox: RunningSandbox,
    width: int,
    scheme: str,
) -> None:
    message_id = email(JANE, html="<p>Hi</p>")
    sandbox.rule(channel="email", to=JANE, times=1, events={"outcome": "bounce"})
    sandbox.rule(channel="sms", answer="refuse")
    browser_page.set_viewport_size({"width": width, "height": 844})
    browser_page.emulate_media(color_scheme=scheme)

    def open_all() -> None:
        for summary in ("Next message", "the e-mail's answer", "the text's answer"):
            browser_page.get_by_text(summary).click()

    look: dict[str, Callable[[], Any]] = {
        "?providers=1": lambda: browser_page.get_by_test_id("sandbox-providers").wait_for(),
        "?person=jane": open_all,
        f"?person=jane&email={message_id}": lambda: browser_page.locator("#events").wait_for(),
    }
    for path, open_it in look.items():
        browser_page.goto(f"{live_server.url}{INBOX}{path}")
        open_it()
        found = Axe().run(browser_page).response["violations"]
        assert [(each["id"], each["impact"]) for each in found] == [], path
        assert browser_page.evaluate(SMALL) == [], path
        wide = browser_page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path
