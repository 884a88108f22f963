"""Faults as real clients see them."""

import json
import smtplib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from botocore import exceptions as aws_errors
from botocore.exceptions import ClientError

from sandbox.testing import HOST, RunningSandbox, running_sandbox
from tests.support.clients import (
    ADDRESS,
    IMPATIENCE_S,
    PHONE,
    ask,
    aws,
    send_email,
    send_over,
    send_text,
    smtp,
)
from tools.processes import wait_until


def refusal_of_a_text(sandbox: RunningSandbox) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        send_text(sandbox)
    answer = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def outcomes(sandbox: RunningSandbox, count: int) -> list[int]:
    with smtp(sandbox) as client:
        return [send_over(client)[0] for _ in range(count)]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("throttle", (454, "Throttling failure: Maximum sending rate exceeded.")),
        ("transient", (451, "Temporary service failure")),
        ("permanent", (554, "Message rejected: Address is on a blocked list")),
        ("quota", (454, "Throttling failure: Daily message quota exceeded.")),
        (
            "paused",
            (554, "Message rejected: Email sending is disabled: account sending paused"),
        ),
    ],
)
def test_an_email_is_refused_with_the_replies_of_ses(
    sandbox: RunningSandbox, answer: str, reply: tuple[int, str]
) -> None:
    sandbox.rule(channel="email", answer=answer)

    assert send_email(sandbox) == reply
    assert sandbox.messages() == []
    assert send_text(sandbox)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ("throttle", (400, "Throttling")),
        ("transient", (408, "RequestTimeout")),
        ("permanent", (400, "InvalidParameter")),
        ("credentials", (403, "InvalidClientTokenId")),
        ("paused", (403, "AuthorizationError")),
    ],
)
def test_a_text_is_refused_with_the_codes_of_sns(
    sandbox: RunningSandbox, answer: str, refusal: tuple[int, str]
) -> None:
    sandbox.rule(channel="sms", answer=answer)

    assert refusal_of_a_text(sandbox) == refusal
    assert sandbox.messages() == []
    assert send_email(sandbox)[0] == 250


def test_a_rule_without_a_channel_applies_to_both(sandbox: RunningSandbox) -> None:
    sandbox.rule(answer="throttle")

    assert send_email(sandbox)[0] == 454
    assert refusal_of_a_text(sandbox) == (400, "Throttling")


def test_a_quota_rule_does_not_apply_to_texts(sandbox: RunningSandbox) -> None:
    sandbox.rule(answer="quota")

    assert send_email(sandbox)[0] == 454
    assert send_text(sandbox)


def test_credentials_are_refused_at_login_and_on_open_connections(
    sandbox: RunningSandbox,
) -> None:
    with smtp(sandbox) as client:
        sandbox.rule(channel="email", answer="credentials")

        assert send_over(client) == (530, "Authentication required")
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        smtp(sandbox)
    assert refusal.value.smtp_code == 535
    assert sandbox.messages() == []


def test_a_rule_for_an_address_ignores_letter_case_and_other_addresses(
    sandbox: RunningSandbox,
) -> None:
    sandbox.rule(to="OWNER@customer.example", answer="permanent")

    assert send_email(sandbox, "other@customer.example")[0] == 250
    assert send_email(sandbox, "other@customer.example", ADDRESS)[0] == 554
    assert send_text(sandbox)


def test_a_rule_applies_the_given_number_of_times(sandbox: RunningSandbox) -> None:
    rule = sandbox.rule(channel="email", answer="transient", times=2)

    assert (rule["times"], rule["used"]) == (2, 0)
    assert outcomes(sandbox, 1) == [451]
    assert [kept["used"] for kept in sandbox.rules()] == [1]
    assert outcomes(sandbox, 3) == [451, 250, 250]
    assert sandbox.rules() == []


def test_a_rule_ends_after_its_time(sandbox: RunningSandbox) -> None:
    rule = sandbox.rule(channel="email", answer="transient", for_s=0.3)

    assert 0 < rule["left_s"] <= 0.3
    wait_until(lambda: sandbox.rules() == [], "the rule is over")
    assert outcomes(sandbox, 1) == [250]


def test_the_same_seed_fails_the_same_share_of_the_calls() -> None:
    def seen() -> list[int]:
        with running_sandbox(seed=7) as sandbox:
            assert sandbox.health()["seed"] == 7
            sandbox.rule(channel="email", answer="transient", share=0.5)
            return outcomes(sandbox, 40)

    first = seen()

    assert 5 < first.count(451) < 35
    assert seen() == first


def test_the_newest_rule_decides_until_it_ends(
    sandbox: RunningSandbox,
) -> None:
    sandbox.rule(channel="email", answer="permanent")
    sandbox.rule(channel="email", answer="throttle", times=1)

    assert outcomes(sandbox, 2) == [454, 554]


def test_a_rule_can_be_ended_by_its_id(sandbox: RunningSandbox) -> None:
    first = sandbox.rule(channel="email", answer="permanent")
    second = sandbox.rule(channel="sms", answer="throttle")

    assert ask(sandbox, f"/api/rules/{first['id']}", "DELETE")[0].status == 204
    assert ask(sandbox, f"/api/rules/{first['id']}", "DELETE")[0].status == 404
    assert [rule["id"] for rule in sandbox.rules()] == [second["id"]]
    assert send_email(sandbox)[0] == 250


def test_a_refused_channel_refuses_new_connections_and_cuts_open_ones(
    sandbox: RunningSandbox,
) -> None:
    with smtp(sandbox) as client:
        rule = sandbox.rule(channel="email", answer="refuse")

        with pytest.raises(ConnectionRefusedError):
            smtp(sandbox)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.mail("no-reply@rs.example")
        assert send_text(sandbox)

    assert ask(sandbox, f"/api/rules/{rule['id']}", "DELETE")[0].status == 204
    assert send_email(sandbox)[0] == 250


def test_refused_channels_listen_again_on_the_same_ports(
    sandbox: RunningSandbox,
) -> None:
    kept_open = aws(sandbox)
    kept_open.publish(PhoneNumber=PHONE, Message="Before")
    until_ended = sandbox.rule(answer="refuse")

    for port in (sandbox.smtp_port, sandbox.aws_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port))
    with pytest.raises(aws_errors.EndpointConnectionError):
        kept_open.publish(PhoneNumber=PHONE, Message="During")
    sandbox.rule(answer="refuse", for_s=0.5)
    assert ask(sandbox, f"/api/rules/{until_ended['id']}", "DELETE")[0].status == 204

    def listens() -> bool:
        with suppress(ConnectionRefusedError), smtp(sandbox):
            return True
        return False

    wait_until(listens, "SES listens again")
    assert send_email(sandbox)[0] == 250
    assert send_text(sandbox)


def test_a_hanging_call_stores_no_message(
    sandbox: RunningSandbox,
) -> None:
    sandbox.rule(answer="hang")

    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        send_email(sandbox, patience_s=IMPATIENCE_S)
    with pytest.raises(aws_errors.ReadTimeoutError):
        send_text(sandbox, timeout=IMPATIENCE_S)
    assert sandbox.messages() == []


def test_a_call_that_hangs_for_a_time_is_then_disconnected(sandbox: RunningSandbox) -> None:
    sandbox.rule(answer="hang", after_s=0.2)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send_email(sandbox)
    with pytest.raises(aws_errors.ConnectionClosedError):
        send_text(sandbox)


def test_a_message_can_be_accepted_without_an_answer(sandbox: RunningSandbox) -> None:
    sandbox.rule(answer="accept_then_hang")

    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        send_email(sandbox, patience_s=IMPATIENCE_S)
    with pytest.raises(aws_errors.ReadTimeoutError):
        send_text(sandbox, timeout=IMPATIENCE_S)
    assert [message["kind"] for message in sandbox.messages()] == ["email", "sms"]


@pytest.mark.parametrize(("answer", "kept"), [("drop", 0), ("accept_then_drop", 2)])
def test_a_connection_can_be_closed_instead_of_an_answer(
    sandbox: RunningSandbox, answer: str, kept: int, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.rule(answer=answer)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send_email(sandbox)
    with pytest.raises(aws_errors.ConnectionClosedError):
        send_text(sandbox)
    assert len(sandbox.messages()) == kept
    assert capfd.readouterr().err == ""


def test_a_slow_answer_comes_late(sandbox: RunningSandbox) -> None:
    sandbox.rule(channel="email", answer="slow", after_s=0.5)
    started = time.monotonic()
    assert send_email(sandbox)[0] == 250
    assert time.monotonic() - started >= 0.5


def test_a_slow_answer_does_not_delay_others(sandbox: RunningSandbox) -> None:
    sandbox.rule(channel="email", to="slow@customer.example", answer="slow", after_s=600)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(send_email, sandbox, "slow@customer.example", patience_s=600)
        wait_until(lambda: bool(sandbox.messages()), "it was accepted")
        assert send_email(sandbox)[0] == 250
        assert not slow.done()
        # Refusing the channel cuts the slow call.
        sandbox.rule(channel="email", answer="refuse")
        assert slow.exception()


def test_a_message_that_ses_would_refuse_anyway_uses_no_rule(sandbox: RunningSandbox) -> None:
    sandbox.rule(answer="throttle", times=1)

    assert send_email(sandbox, X_SES_MESSAGE_TAGS="not a tag") == (
        554,
        "Transaction failed: Invalid message tag 1: expected name=value, each of 1 to 256 ASCII"
        " letters, digits, '_' or '-'",
    )
    assert [rule["used"] for rule in sandbox.rules()] == [0]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("", "The body must be a JSON object: "),
        ([], "The body must be a JSON object: "),
        ({}, "a rule needs an answer"),
        ({"answer": "explode"}, "answer must be 'refuse', 'hang', 'slow'"),
        ({"answer": "drop", "colour": "red"}, "colour is not a field; the fields are channel, to,"),
        ({"answer": "drop", "channel": "fax"}, "channel must be 'email' or 'sms'"),
        ({"answer": "drop", "times": "3"}, "times must be a valid integer"),
        ({"answer": "drop", "times": 0}, "times must be greater than or equal to 1"),
        ({"answer": "drop", "share": 1.1}, "share must be less than or equal to 1"),
        ({"answer": "drop", "share": True}, "share must be a valid number"),
        ({"answer": "drop", "for_s": 0}, "for_s must be greater than 0"),
        ({"answer": "drop", "after_s": -1}, "after_s must be greater than or equal to 0"),
        ({"answer": "refuse", "to": ADDRESS}, "leave out to, share and times"),
        ({"answer": "refuse", "share": 0.5}, "leave out to, share and times"),
        ({"answer": "refuse", "times": 1}, "leave out to, share and times"),
        ({"answer": "credentials", "to": ADDRESS}, "leave out to"),
        ({"answer": "quota", "channel": "sms"}, "channel must be email or null"),
        ({"events": {"outcome": "lost"}}, "events.outcome must be 'delivered', 'bounce'"),
        ({"events": {"when": "late"}}, "events.when is not a field; the fields are outcome,"),
        ({"events": {"copies": 0}}, "events.copies must be greater than or equal to 1"),
        (
            {"channel": "sms", "events": {"outcome": "complaint"}},
            "events.outcome of sms must be one of bounce, delivered, none, opt_out",
        ),
        (
            {"channel": "email", "events": {"outcome": "opt_out"}},
            "events.outcome of email must be one of bounce, complaint, delay, delivered,",
        ),
    ],
)
def test_an_invalid_rule_is_refused_with_a_sentence(
    sandbox: RunningSandbox, rule: Any, sentence: str
) -> None:
    answer, said = ask(sandbox, "/api/rules", "POST", json.dumps(rule) if rule != "" else "")

    assert answer.status == 400
    assert sentence in said["error"]
    assert sandbox.rules() == []
