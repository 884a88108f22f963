import smtplib
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from sandbox.testing import HOST, SMTP_PASSWORD, SMTP_USER, RunningSandbox
from tests.support.clients import ask, ask_port


def send_sms(sandbox: RunningSandbox, body: str, phone: str = "+15551234567") -> None:
    form = urlencode({"Action": "Publish", "PhoneNumber": phone, "Message": body})
    answer, _ = ask_port(sandbox.aws_port, "/", "POST", form)
    assert answer.status == 200


def send_email(sandbox: RunningSandbox, *to: str) -> None:
    message = EmailMessage()
    message["Subject"] = "Ready"
    message.set_content("Ready.")
    message.add_alternative("<p>Ready.</p>", subtype="html")
    with smtplib.SMTP(HOST, sandbox.smtp_port, timeout=60) as client:
        client.login(SMTP_USER, SMTP_PASSWORD)
        client.send_message(message, "no-reply@rs.example", to)


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["body"] for message in messages]


def test_messages_are_listed_with_the_newest_last(sandbox: RunningSandbox) -> None:
    for body in ("one", "two", "three"):
        send_sms(sandbox, body)

    _, page = ask(sandbox, "/api/messages")

    assert bodies(page["messages"]) == ["one", "two", "three"]
    assert page["last_seq"] == page["messages"][-1]["seq"]


def test_a_limit_without_since_keeps_the_newest(sandbox: RunningSandbox) -> None:
    for body in ("one", "two", "three"):
        send_sms(sandbox, body)

    assert bodies(sandbox.messages(limit=2)) == ["two", "three"]


def test_reading_on_from_last_seq_misses_no_message(sandbox: RunningSandbox) -> None:
    for number in range(5):
        send_sms(sandbox, str(number))
    seen, since, pages = [], 0, 0

    while True:
        _, page = ask(sandbox, f"/api/messages?since={since}&limit=2")
        if not page["messages"]:
            break
        seen += bodies(page["messages"])
        since = page["last_seq"]
        pages += 1

    assert seen == ["0", "1", "2", "3", "4"]
    assert pages == 3


def test_last_seq_also_counts_messages_that_the_filter_excludes(sandbox: RunningSandbox) -> None:
    send_email(sandbox, "owner@customer.example")
    send_sms(sandbox, "newest")
    [newest] = sandbox.messages(kind="sms")

    _, page = ask(sandbox, "/api/messages?since=0&kind=email")

    assert page["last_seq"] == newest["seq"]


def test_messages_are_filtered_by_kind(sandbox: RunningSandbox) -> None:
    send_email(sandbox, "owner@customer.example")
    send_sms(sandbox, "Ready.")

    assert [message["kind"] for message in sandbox.messages(kind="email")] == ["email"]
    assert [message["kind"] for message in sandbox.messages(kind="sms")] == ["sms"]


def test_messages_are_filtered_by_any_recipient(sandbox: RunningSandbox) -> None:
    send_email(sandbox, "one@customer.example", "Two@customer.example")
    send_sms(sandbox, "Ready.", phone="+15550000001")
    send_sms(sandbox, "Ready.", phone="+15550000002")

    assert len(sandbox.messages(to="two@CUSTOMER.example")) == 1
    assert len(sandbox.messages(to="+15550000002")) == 1
    assert sandbox.messages(to="nobody@customer.example") == []


def test_large_fields_are_listed_only_on_request(
    sandbox: RunningSandbox,
) -> None:
    send_email(sandbox, "owner@customer.example")

    [brief] = sandbox.messages()
    [full] = sandbox.messages(full=1)
    assert brief.keys() == {
        "seq", "id", "kind", "received_at", "from", "envelope_from", "to", "subject",
        "configuration_set", "tags", "headers", "text", "events",
    }  # fmt: skip
    assert full.keys() - brief.keys() == {"html", "source"}
    assert sandbox.message(brief["id"]) == full


@pytest.mark.parametrize(
    "query",
    ["since=x", "since=-1", "limit=0", "limit=1001", "limit=x", "kind=fax", "full=yes", "form=a"],
)
def test_an_invalid_query_is_refused(sandbox: RunningSandbox, query: str) -> None:
    answer, problem = ask(sandbox, f"/api/messages?{query}")

    assert answer.status == 400
    assert query.partition("=")[0] in problem["error"]


def test_an_unknown_id_is_not_found(sandbox: RunningSandbox) -> None:
    answer, _ = ask(sandbox, f"/api/messages/{quote('no-such id')}")

    assert answer.status == 404


def test_deleting_messages_does_not_restart_seq(sandbox: RunningSandbox) -> None:
    send_sms(sandbox, "before")
    [before] = sandbox.messages()

    answer, _ = ask(sandbox, "/api/messages", "DELETE")

    assert answer.status == 204
    assert sandbox.messages() == []
    assert ask(sandbox, f"/api/messages/{before['id']}")[0].status == 404
    send_sms(sandbox, "after")
    assert [message["seq"] for message in sandbox.messages()] == [before["seq"] + 1]


def test_health_counts_the_stored_messages(sandbox: RunningSandbox) -> None:
    def counted() -> tuple[str, int, int]:
        health = sandbox.health()
        return health["status"], health["emails"], health["sms"]

    assert counted() == ("ok", 0, 0)

    send_email(sandbox, "owner@customer.example")
    send_sms(sandbox, "Ready.")
    send_sms(sandbox, "Ready.")

    assert counted() == ("ok", 1, 2)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.1:9911", "[", "", "localhost.evil"]
)
@pytest.mark.parametrize("path", ["/", "/api/messages"])
def test_a_host_that_is_not_loopback_is_refused(
    sandbox: RunningSandbox, host: str, path: str
) -> None:
    form = urlencode({"Action": "Publish", "PhoneNumber": "+15551234567", "Message": "x"})

    if path == "/":
        answer, _ = ask_port(sandbox.aws_port, path, "POST", form, Host=host)
    else:
        answer, _ = ask(sandbox, path, Host=host)

    assert answer.status == 403
    assert sandbox.messages() == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9911", "127.0.0.1:1", "[::1]:9911"])
def test_any_loopback_host_is_served(sandbox: RunningSandbox, host: str) -> None:
    answer, _ = ask(sandbox, "/api/health", Host=host)

    assert answer.status == 200


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
def test_other_origins_get_no_cors_headers(sandbox: RunningSandbox, method: str) -> None:
    answer, _ = ask(sandbox, "/api/messages", method, Origin="http://evil.example")

    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
