"""The dev inbox, against a running sandbox with real messages."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from apps.core.guards.suppressions import suppress
from apps.core.models import Contact, Notification
from apps.core.models.suppression import SuppressionReason
from apps.core.states import Channel, Priority
from sandbox.inbox import client as sandbox_client
from sandbox.inbox import views
from sandbox.testing import HOST, RunningSandbox
from tests.support.clients import DELIVERY, SendEmail, SendText
from tests.support.inbox import INBOX, page
from tests.support.people import a_person
from tests.support.serving import serving

HOSTILE = '<script>alert("planted")</script>'

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("endpoint")]


def ring(user: User, title: str = "R-1 approved", **values: Any) -> Notification:
    return Notification.objects.create(
        recipient=user,
        kind="repair_approved",
        category="approval",
        priority=Priority.URGENT,
        context={},
        title=title,
        text="Start when you are with the unit.",
        **values,
    )


def rows(html: str) -> dict[str, str]:
    """Return the text of each person's row, in the order of the page."""
    found = re.findall(r'data-username="([^"]+)"[^>]*>(.*?)</a>', html, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", row).split()) for name, row in found}


def count(html: str, testid: str) -> int:
    return html.count(f'data-testid="{testid}"')


def test_each_message_is_shown_with_its_recipients(
    client: Client, email: SendEmail, sms: SendText, jane: User, tom: User
) -> None:
    email("jane@fleet.example", "TOM@fleet.example", subject="To both")
    email("jane@fleet.example", subject="To Jane alone")
    sms("+12025550106", "To the phone of Tom")

    of_jane, of_tom = page(client, person="jane"), page(client, person="tom")

    assert (count(of_jane, "sandbox-email"), count(of_jane, "sandbox-text")) == (2, 0)
    assert (count(of_tom, "sandbox-email"), count(of_tom, "sandbox-text")) == (1, 1)
    assert "To both" in of_tom
    assert "To Jane alone" not in of_tom
    assert "To the phone of Tom" in of_tom


def test_people_are_listed_with_counts_newest_activity_first(
    client: Client, email: SendEmail, sms: SendText, jane: User, tom: User
) -> None:
    a_person("zoe", "+12025550107")
    a_person("abe", "+12025550108")
    email("jane@fleet.example")
    email("jane@fleet.example")
    sms("+12025550105")
    ring(tom)

    listed = rows(page(client))

    assert list(listed) == ["tom", "jane", "abe", "zoe"]
    assert "1 unread" in listed["tom"]
    assert "1 text 2 e-mails" in listed["jane"]
    assert "no messages yet" in listed["abe"]


def test_a_message_without_a_contact_is_listed_under_its_address(
    client: Client, email: SendEmail, sms: SendText, jane: User
) -> None:
    email("stranger@else.example", subject="Who are you?")
    sms("+12025550199", "Wrong number")

    listed = rows(page(client))

    assert list(listed) == ["+12025550199", "stranger@else.example", "jane"]
    assert "not a contact" in listed["+12025550199"]
    assert "Wrong number" in page(client, address="+12025550199")
    assert "Who are you?" in page(client, address="stranger@else.example")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("Approved", "GSM-7 · 1 part · $0.00645"),
        ("é" * 161, "GSM-7 · <strong>2 parts</strong> · $0.01290"),
        ("ж" * 71, "UCS-2 · <strong>2 parts</strong> · $0.01290"),
    ],
)
def test_a_text_shows_its_sender_encoding_parts_and_cost(
    client: Client, sms: SendText, jane: User, text: str, size: str
) -> None:
    sms("+12025550105", text)

    html = page(client, person="jane")

    assert text in html
    assert size in html
    assert "RSSystems" in html


def test_an_email_is_shown_in_a_frame_without_scripts_or_loading(
    client: Client, email: SendEmail, jane: User
) -> None:
    message_id = email("jane@fleet.example", html=f"<h1>Approved</h1>{HOSTILE}")

    html = page(client, person="jane", email=message_id)
    [frame] = re.findall(r"<iframe[^>]*>", html)
    [source] = re.findall(r'src="([^"]+)"', frame)
    document = client.get(source)

    assert re.search(r"\ssandbox\s", frame)
    assert "<h1>Approved</h1>" in document.content.decode()
    assert document["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert document["X-Frame-Options"] == "SAMEORIGIN"
    assert document["X-Content-Type-Options"] == "nosniff"
    assert document["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("view", ["rendered", "text", "headers", "source", "unheard-of"])
def test_html_in_a_message_is_escaped(
    client: Client, email: SendEmail, sms: SendText, jane: User, view: str
) -> None:
    sms("+12025550105", HOSTILE)
    message_id = email("jane@fleet.example", subject=HOSTILE, text=HOSTILE, html=HOSTILE)

    html = page(client, person="jane", email=message_id, view=view)

    assert HOSTILE not in html
    assert escape(HOSTILE) in html


def test_an_email_is_also_shown_as_text_headers_and_source(
    client: Client, email: SendEmail, jane: User
) -> None:
    message_id = email("jane@fleet.example", text="In plain words", html="<p>In colour</p>")

    def shown(view: str) -> str:
        return page(client, person="jane", email=message_id, view=view)

    assert "In plain words" in shown("text")
    assert f"&lt;{message_id}@email.amazonses.com&gt;" in shown("headers")
    assert escape("<p>In colour</p>") in shown("source")


def test_an_email_without_html_opens_as_text(client: Client, email: SendEmail, jane: User) -> None:
    message_id = email("jane@fleet.example", text="In plain words")

    html = page(client, person="jane", email=message_id)

    assert "In plain words" in html
    assert "<iframe" not in html
    assert client.get(reverse("sandbox:frame", args=[message_id])).status_code == 404


def test_an_email_links_to_its_delivery_in_the_admin(
    client: Client, email: SendEmail, jane: User
) -> None:
    message_id = email("jane@fleet.example")

    html = page(client, person="jane", email=message_id)

    assert f'href="{reverse("admin:core_delivery_change", args=[DELIVERY])}"' in html


def test_only_http_links_of_an_email_can_be_followed(
    client: Client, email: SendEmail, jane: User
) -> None:
    html = (
        '<a href="http://127.0.0.1/repairs/1/?a=1&amp;b=2">Open</a>'
        '<a href="/repairs/2/">relative</a><a href="javascript:alert(1)">script</a>'
    )
    message_id = email("jane@fleet.example", html=html)

    shown = page(client, person="jane", email=message_id)

    assert '<a href="http://127.0.0.1/repairs/1/?a=1&amp;b=2" target="_blank"' in shown
    assert shown.count("works only inside the app") == 2
    assert 'href="/repairs/2/"' not in shown
    assert 'href="javascript' not in shown


def test_notifications_are_shown_as_to_their_owner(client: Client, jane: User, tom: User) -> None:
    ring(jane, "Read before", read_at=Now())
    ring(jane, "Not read yet")
    ring(jane, "For tomorrow", visible_from=timezone.now() + timedelta(days=1))
    ring(tom, "For Tom")

    html = page(client, person="jane")
    bell = html[html.index('data-testid="sandbox-bell"') :]

    assert bell.index("Not read yet") < bell.index("Read before")
    assert bell.count("note-new") == bell.count(">New<") == 1
    assert "1 unread" in bell
    assert "For tomorrow" not in html
    assert "For Tom" not in html


def test_an_unreachable_person_is_shown_with_the_reason(client: Client, jane: User) -> None:
    Contact.objects.filter(user=jane).update(sms_opt_in=False, verified_email="")

    html = page(client, person="jane")

    assert "has not agreed to text messages" in html
    assert "e-mail address is not verified" in html
    assert "No notifications." in html


def test_a_suppressed_address_is_shown_with_reason_and_link(
    client: Client, jane: User, tom: User
) -> None:
    suppress(Channel.EMAIL, "jane@fleet.example", SuppressionReason.BOUNCE)
    html = page(client, person="jane")
    assert "Suppressed: messages to it bounce." in html
    assert "/admin/core/suppression/?q=jane%40fleet.example" in html
    assert count(html, "sandbox-suppressed") == 1
    assert count(page(client, person="tom"), "sandbox-suppressed") == 0


def test_an_empty_sandbox_shows_what_to_do(client: Client) -> None:
    assert "No messages yet" in page(client)


def test_the_page_says_that_it_shows_the_newest_messages_only(
    client: Client, sms: SendText, jane: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MAX_MESSAGES", 2)
    for text in ("oldest", "middle", "newest"):
        sms("+12025550105", text)

    html = page(client, person="jane")

    assert "oldest" not in html
    assert html.index("middle") < html.index("newest")
    assert "Only the newest 2 messages are shown." in html


def test_a_very_long_email_is_cut_and_linked_in_full(
    client: Client, email: SendEmail, jane: User, sandbox: RunningSandbox
) -> None:
    line = "all work and no play\n"
    message_id = email("jane@fleet.example", text=line * 20_000)

    html = page(client, person="jane", email=message_id, view="text")

    assert f"{len(line) * 20_000 - views.MAX_CHARACTERS} more characters:" in html
    assert f'href="{sandbox.url}/api/messages/{message_id}"' in html


def test_unknown_names_are_not_found(
    client: Client, email: SendEmail, sms: SendText, sandbox: RunningSandbox, jane: User
) -> None:
    of_text = sms("+12025550105")
    of_email = email("jane@fleet.example", html="<p>Hi</p>")
    sandbox.clear()

    for query in ({"person": "nobody"}, {"person": "jane", "email": of_email}):
        answer = client.get(INBOX, query)
        assert answer.status_code == 404
        assert "no longer has this" in answer.content.decode()
    for message_id in (of_email, of_text):
        assert client.get(reverse("sandbox:frame", args=[message_id])).status_code == 404


def test_a_text_is_not_opened_as_an_email(client: Client, sms: SendText, jane: User) -> None:
    message_id = sms("+12025550105")

    assert client.get(INBOX, {"person": "jane", "email": message_id}).status_code == 404


class Poll:
    """Asks for updates as the page does every two seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen = self._token(page(client, person="jane"))

    def __call__(self) -> str | None:
        """Return the part of the page to swap in, or None without news."""
        answer = self._client.get(f"{INBOX}live/", {"person": "jane", "seen": self._seen})
        if answer.status_code == 204:
            assert not answer.content
            return None
        html = answer.content.decode()
        self._seen = self._token(html)
        return html

    @staticmethod
    def _token(html: str) -> str:
        [token] = re.findall(r'{"seen": "([^"]+)"}', html)
        return token.encode().decode("unicode_escape")


@pytest.fixture
def poll(client: Client, jane: User, monkeypatch: pytest.MonkeyPatch) -> Poll:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    return Poll(client)


def test_a_poll_is_empty_until_something_changes(
    poll: Poll, email: SendEmail, jane: User, sandbox: RunningSandbox
) -> None:
    assert poll() is None

    email("jane@fleet.example", subject="A new one")
    assert "A new one" in (poll() or "")
    assert poll() is None

    rung = ring(jane)
    assert "1 unread" in (poll() or "")
    assert poll() is None

    Notification.objects.filter(pk=rung.pk).update(read_at=Now())
    assert "unread" not in (poll() or "unread")
    assert poll() is None

    sandbox.clear()
    assert "A new one" not in (poll() or "A new one")
    assert poll() is None


def test_a_poll_updates_the_times_every_minute(poll: Poll, monkeypatch: pytest.MonkeyPatch) -> None:
    later = timezone.now() + timedelta(minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: later)

    assert poll() is not None


def test_a_poll_returns_the_live_part_without_the_open_email(
    client: Client, email: SendEmail, jane: User
) -> None:
    message_id = email("jane@fleet.example", html="<p>Hi</p>")

    query = {"person": "jane", "email": message_id, "seen": "before"}
    html = client.get(f"{INBOX}live/", query).content.decode()

    assert html.strip().startswith('<div id="live"')
    assert "<iframe" not in html
    assert re.search(r'data-testid="sandbox-email"\s+aria-current="true"', html)


def test_clear_empties_the_sandbox_but_keeps_notifications(
    client: Client, email: SendEmail, jane: User, sandbox: RunningSandbox
) -> None:
    email("jane@fleet.example")
    ring(jane)

    answer = client.post(f"{INBOX}clear/", {"person": "jane"}, follow=True)

    assert answer.redirect_chain == [(f"{INBOX}?person=jane", 302)]
    assert "The sandbox is empty." in answer.content.decode()
    assert sandbox.messages() == []
    assert Notification.objects.count() == 1


def test_clear_needs_post_and_a_csrf_token(
    client: Client, email: SendEmail, sandbox: RunningSandbox
) -> None:
    email("jane@fleet.example")

    assert Client(enforce_csrf_checks=True).post(f"{INBOX}clear/").status_code == 403
    assert client.get(f"{INBOX}clear/").status_code == 405
    assert len(sandbox.messages()) == 1


@pytest.fixture
def down(endpoint: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox_client.URL_VARIABLE, f"http://{HOST}:9")


@pytest.mark.usefixtures("down")
def test_a_sandbox_that_is_down_still_shows_notifications(client: Client, jane: User) -> None:
    ring(jane, "R-1 approved")

    html = page(client, person="jane", email="any")

    assert count(html, "sandbox-trouble") == 1
    assert f"Nothing answers at http://{HOST}:9." in html
    assert "R-1 approved" in html
    assert client.get(reverse("sandbox:frame", args=["any"])).status_code == 503


@pytest.mark.usefixtures("down")
def test_clearing_a_sandbox_that_is_down_reports_failure(client: Client) -> None:
    answer = client.post(f"{INBOX}clear/", follow=True)

    assert "Nothing was cleared." in answer.content.decode()


def test_a_poll_notices_that_the_sandbox_is_back(
    poll: Poll, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sandbox_client.URL_VARIABLE, f"http://{HOST}:9")
    assert "cannot be read" in (poll() or "")
    assert poll() is None

    monkeypatch.setenv(sandbox_client.URL_VARIABLE, sandbox.url)
    assert "cannot be read" not in (poll() or "cannot be read")


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com",
        "http://sns.us-east-1.amazonaws.com",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1.evil.example:9911",
        "http://192.168.1.7:9911",
        "http://[oops",
        "file:///etc/passwd",
    ],
)
def test_the_page_connects_to_this_machine_only(
    client: Client, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def talk(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setenv(sandbox_client.URL_VARIABLE, url)
    monkeypatch.setattr(sandbox_client._http, "open", talk)

    assert "which is not on this machine" in page(client)


def test_without_an_address_the_page_names_the_variable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(sandbox_client.URL_VARIABLE)

    assert "SANDBOX_URL is not set" in page(client)


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    """Serve one answer to every GET; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(HTTPServer((HOST, 0), Handler)) as server:
        yield f"http://{HOST}:{server.server_port}"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": b"<h1>Something else</h1>"},
        {"status": 500},
        {"status": 302, "Location": "http://127.0.0.1:9/api/messages"},
    ],
)
def test_another_server_is_not_mistaken_for_the_sandbox(
    client: Client, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    with answering(**answer) as url:
        monkeypatch.setenv(sandbox_client.URL_VARIABLE, url)

        assert f"The server at {url} is not the sandbox." in page(client)


def test_the_inbox_needs_no_sign_in(client: Client) -> None:
    assert client.get(INBOX).status_code == 200


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_outside_development_there_is_no_inbox(environment: str) -> None:
    code = """
from rs_systems import environment
environment.configure()
import django
django.setup()
from django.apps import apps
from django.urls import Resolver404, resolve
assert not apps.is_installed("sandbox.inbox")
try:
    resolve("/sandbox/")
except Resolver404:
    print("absent")
"""
    variables = {
        "PATH": os.environ["PATH"],
        "ENVIRONMENT": environment,
        "SECRET_KEY": "not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz",
        "ALLOWED_HOSTS": "app.example",
        "SITE_URL": "https://app.example",
        "DATABASE_URL": "sqlite:///:memory:",
        "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=variables,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout == "absent\n", result.stderr


READING = """() => [
    document.querySelector("#conversation li").getBoundingClientRect().top,
    document.activeElement.textContent.trim().split("\\n")[0],
    getSelection().toString(),
]"""


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_an_update_keeps_scroll_position_focus_and_selection(
    live_server: Any, browser_page: Any, email: SendEmail, sms: SendText, jane: User
) -> None:
    for number in range(8):
        sms("+12025550105", f"Text {number}: " + "windshield " * 10)
    email("jane@fleet.example", subject="First")
    browser_page.goto(f"{live_server.url}{INBOX}?person=jane")
    browser_page.evaluate(
        """() => {
            document.querySelector(".sandbox-screen").scrollTop = -200;
            document.querySelector("[data-testid=sandbox-email]").focus();
            getSelection().selectAllChildren(document.querySelector(".sandbox-bubble"));
        }"""
    )
    top, focused, selected = browser_page.evaluate(READING)

    sms("+12025550105", "Just arrived")
    email("jane@fleet.example", subject="Second")
    browser_page.get_by_text("Second").wait_for()

    assert browser_page.evaluate(READING) == [pytest.approx(top, abs=1.5), "First", selected]
    assert focused == "First"
    assert "Just arrived" in browser_page.get_by_test_id("sandbox-text").last.inner_text()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_an_open_email_is_not_reloaded_when_another_arrives(
    live_server: Any, browser_page: Any, email: SendEmail, jane: User
) -> None:
    message_id = email("jane@fleet.example", subject="First", html="<p>Hello Jane</p>")
    browser_page.goto(f"{live_server.url}{INBOX}?person=jane&email={message_id}")
    frames = []
    browser_page.on("request", lambda request: frames.append(request.url))

    email("jane@fleet.example", subject="Second")
    browser_page.get_by_text("Second").wait_for()

    assert not [url for url in frames if "/frame/" in url]
    assert browser_page.frame_locator("iframe").get_by_text("Hello Jane").is_visible()
