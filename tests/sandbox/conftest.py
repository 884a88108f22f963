from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page

from sandbox.inbox import client as sandbox_client
from sandbox.testing import RunningSandbox
from tests.support.browsing import LAPTOP
from tests.support.clients import DELIVERY, SendEmail, SendText, aws, smtp
from tests.support.people import a_person


@pytest.fixture
def sandbox(running: RunningSandbox) -> RunningSandbox:
    """Return a running sandbox without messages, faults and suppressed addresses."""
    running.reset_smtp_habits()
    running.account(suppressed=[])
    return running


@pytest.fixture
def endpoint(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the dev inbox read the sandbox of the test."""
    monkeypatch.setenv(sandbox_client.URL_VARIABLE, sandbox.url)


@pytest.fixture
def email(sandbox: RunningSandbox) -> Iterator[SendEmail]:
    """Return a function that sends an e-mail by SMTP and returns its ID."""
    with smtp(sandbox) as client:

        def send(*to: str, subject: str = "Approved", text: str = "Hi", html: str = "") -> str:
            message = EmailMessage()
            message["From"] = "RS Systems <notifications@rssystems.com>"
            message["To"] = ", ".join(to)
            message["Subject"] = subject
            message["X-SES-MESSAGE-TAGS"] = f"delivery={DELIVERY}"
            message.set_content(text)
            if html:
                message.add_alternative(html, subtype="html")
            client.send_message(message)
            return sandbox.messages(kind="email", limit=1)[0]["id"]

        yield send


@pytest.fixture
def sms(sandbox: RunningSandbox) -> SendText:
    """Return a function that sends a text by SNS and returns its ID."""
    client = aws(sandbox)
    sender = {"AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "RSSystems"}}

    def send(phone: str, text: str = "Approved") -> str:
        answer = client.publish(PhoneNumber=phone, Message=text, MessageAttributes=sender)
        return str(answer["MessageId"])

    return send


@pytest.fixture
def jane() -> User:
    return a_person("jane", "+12025550105")


@pytest.fixture
def tom() -> User:
    return a_person("tom", "+12025550106")


@pytest.fixture
def browser_page(database_browser: Browser) -> Page:
    return database_browser.new_page(viewport=LAPTOP)
