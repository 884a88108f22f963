"""SMTP servers that differ from SES, seen by smtplib and by a bare socket."""

import smtplib
import socket
from typing import Any

import pytest

from sandbox.testing import HOST, RunningSandbox, running_sandbox
from tests.support.clients import PATIENCE_S, ask, send_email, send_over, smtp
from tools.processes import wait_until


def connect(sandbox: RunningSandbox, timeout: float = PATIENCE_S) -> smtplib.SMTP:
    """Return a connection without a login."""
    return smtplib.SMTP(HOST, sandbox.smtp_port, timeout=timeout)


def test_without_auth_neither_auth_nor_starttls_is_offered(sandbox: RunningSandbox) -> None:
    sandbox.smtp_habits(auth=False)

    with connect(sandbox) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert not client.has_extn("starttls")
        assert client.has_extn("size")
        assert send_over(client)[0] == 250
    assert len(sandbox.messages()) == 1


@pytest.mark.parametrize("auth", [True, False])
def test_mail_before_ehlo_is_refused_with_503(sandbox: RunningSandbox, auth: bool) -> None:
    sandbox.smtp_habits(auth=auth)

    with connect(sandbox) as client:
        assert client.mail("no-reply@rs.example") == (503, b"Error: send HELO first")
        client.ehlo()
        assert client.mail("no-reply@rs.example")[0] == (530 if auth else 250)


def test_the_connection_can_be_closed_after_each_message(sandbox: RunningSandbox) -> None:
    sandbox.smtp_habits(closes_after_message=True)

    with smtp(sandbox) as client:
        assert send_over(client)[0] == 250
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.mail("no-reply@rs.example")
    assert send_email(sandbox)[0] == 250
    assert len(sandbox.messages()) == 2


def test_the_reply_to_an_accepted_message_can_be_longer_than_8_kb(sandbox: RunningSandbox) -> None:
    sandbox.smtp_habits(reply_length=9_000)

    with pytest.raises(smtplib.SMTPResponseException, match="Line too long"):
        send_email(sandbox)

    [message] = sandbox.messages()
    with connect(sandbox) as client:
        client.ehlo()
    sandbox.smtp_habits(reply_length=200)
    _, reply = send_email(sandbox)
    newest = sandbox.messages()[-1]["id"]
    assert newest != message["id"]
    assert reply.startswith(f"Ok {newest} ..")
    assert len(f"250 {reply}") == 200


def test_replies_can_drip_octet_by_octet(sandbox: RunningSandbox) -> None:
    sandbox.smtp_habits(drip_s=0.001)

    assert send_email(sandbox)[0] == 250
    assert len(sandbox.messages()) == 1


def test_each_octet_of_a_dripping_reply_comes_by_itself(sandbox: RunningSandbox) -> None:
    sandbox.smtp_habits(drip_s=600)

    with socket.create_connection((HOST, sandbox.smtp_port), timeout=PATIENCE_S) as bare:
        assert bare.recv(100) == b"2"


def test_a_change_applies_to_new_connections_only(sandbox: RunningSandbox) -> None:
    with smtp(sandbox) as client:
        sandbox.smtp_habits(closes_after_message=True)
        assert [send_over(client)[0] for _ in range(2)] == [250, 250]


def test_habits_are_kept_until_they_are_reset(sandbox: RunningSandbox) -> None:
    default = {"auth": True, "closes_after_message": False, "reply_length": 0, "drip_s": 0.0}

    sandbox.smtp_habits(auth=False)
    assert sandbox.smtp_habits(reply_length=9_000) == default | {
        "auth": False,
        "reply_length": 9_000,
    }
    sandbox.reset_smtp_habits()
    assert ask(sandbox, "/api/smtp")[1] == default


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("[]", "the body must be a JSON object"),
        ('{"tls": true}', "tls is not a field; the fields are auth, closes_after_message,"),
        ('{"auth": "no"}', "auth must be a valid boolean"),
        ('{"drip_s": -1}', "drip_s must be greater than or equal to 0"),
    ],
)
def test_an_invalid_habit_is_refused_with_a_sentence(
    sandbox: RunningSandbox, body: str, sentence: str
) -> None:
    answer, problem = ask(sandbox, "/api/smtp", "PATCH", body)

    assert answer.status == 400
    assert problem["error"].startswith(sentence)


def test_habits_can_be_set_on_the_command_line() -> None:
    with (
        running_sandbox(0, "", None, '--smtp-habits={"auth": false}') as sandbox,
        connect(sandbox) as client,
    ):
        client.ehlo()
        assert send_over(client)[0] == 250


def test_refused_credentials_need_no_auth_to_be_offered(sandbox: RunningSandbox) -> None:
    sandbox.smtp_habits(auth=False)
    rule: dict[str, Any] = sandbox.rule(channel="email", answer="credentials", times=1)

    with connect(sandbox) as client:
        client.ehlo()
        assert send_over(client)[0] == 530
    wait_until(lambda: rule not in sandbox.rules(), "the rule has ended")
