"""Answers that are none of AWS's, with the message accepted or not, seen by real clients."""

import smtplib
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, IncompleteRead
from typing import Any, get_args
from urllib.parse import urlencode

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sandbox.faults.rule import ACCEPTING, Answer
from sandbox.inbox.client import ActiveRule
from sandbox.inbox.sentences import describe
from sandbox.testing import HOST, RunningSandbox
from tests.support.clients import (
    ADDRESS,
    PATIENCE_S,
    PHONE,
    aws,
    send_email,
    send_over,
    send_text,
    smtp,
)

#: boto3 has no common base class for these. KeyError is this module's own `["MessageId"]`.
RAISED = (BotoCoreError, ClientError, ResponseParserError, UnicodeDecodeError, KeyError)
BROKEN = ("garbage", "empty", "html", "cut", "redirect")
EITHER = [(False, answer) for answer in BROKEN] + [
    (True, f"accept_then_{answer}") for answer in BROKEN
]


def post(sandbox: RunningSandbox, path: str, body: str) -> tuple[int, str, bytes]:
    """Return the status, the content type and the body, half a body included."""
    connection = HTTPConnection(HOST, sandbox.aws_port, timeout=PATIENCE_S)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        try:
            content = answer.read()
        except IncompleteRead as error:
            content = error.partial
        return answer.status, answer.headers.get_content_type(), content
    finally:
        connection.close()


def publish(sandbox: RunningSandbox) -> tuple[int, str, bytes]:
    form = {"Action": "Publish", "PhoneNumber": PHONE, "Message": "Ready."}
    return post(sandbox, "/", urlencode(form))


def send_by_api(sandbox: RunningSandbox) -> dict[str, Any]:
    answer: dict[str, Any] = aws(sandbox, "sesv2").send_email(
        FromEmailAddress="no-reply@rs.example",
        Destination={"ToAddresses": [ADDRESS]},
        Content={"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x"}}}},
    )
    return answer


@pytest.mark.parametrize(("is_accepted", "answer"), EITHER)
def test_sns_can_answer_with_anything_having_accepted_or_not(
    sandbox: RunningSandbox, is_accepted: bool, answer: str
) -> None:
    sandbox.rule(channel="sms", answer=answer)

    status, content_type, body = publish(sandbox)

    assert status == (307 if answer.endswith("redirect") else 200)
    assert (content_type == "text/html") is answer.endswith("html")
    assert (b"</PublishResponse>" in body) is False
    if answer.endswith("cut"):
        assert body.startswith(b"<PublishResponse")
    if answer.endswith(("empty", "redirect")):
        assert body == b""
    if answer.endswith("garbage"):
        with pytest.raises(UnicodeDecodeError):
            body.decode()
    assert len(sandbox.messages()) == is_accepted


@pytest.mark.parametrize("send", [send_text, send_by_api])
@pytest.mark.parametrize(("is_accepted", "answer"), EITHER)
def test_boto3_finds_no_message_id_in_a_broken_answer(
    sandbox: RunningSandbox,
    capfd: pytest.CaptureFixture[str],
    is_accepted: bool,
    answer: str,
    send: Callable[[RunningSandbox], Any],
) -> None:
    sandbox.rule(answer=answer)

    with suppress(*RAISED):
        assert "MessageId" not in send(sandbox)
    assert len(sandbox.messages()) == is_accepted
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("answer", "code"), [("garbage", -1), ("empty", -1), ("html", -1), ("redirect", 551)]
)
@pytest.mark.parametrize("is_accepted", [True, False])
def test_smtp_can_reply_with_anything_having_accepted_or_not(
    sandbox: RunningSandbox, is_accepted: bool, answer: str, code: int
) -> None:
    sandbox.rule(channel="email", answer=f"accept_then_{answer}" if is_accepted else answer)

    with smtp(sandbox) as client:
        client.mail("no-reply@rs.example")
        client.rcpt(ADDRESS)
        assert client.data(b"Subject: x\r\n\r\nx")[0] == code
    assert len(sandbox.messages()) == is_accepted


@pytest.mark.parametrize("is_accepted", [True, False])
def test_half_an_smtp_reply_ends_inside_the_message_id(
    sandbox: RunningSandbox, is_accepted: bool
) -> None:
    sandbox.rule(channel="email", answer="accept_then_cut" if is_accepted else "cut")

    with smtp(sandbox) as client:
        code, reply = send_over(client)
        assert code == 250
        assert reply.startswith("Ok 0100")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    ids = [message["id"] for message in sandbox.messages()]
    assert len(ids) == is_accepted
    assert reply.removeprefix("Ok ") not in ids


def test_a_temporary_refusal_can_come_after_acceptance(sandbox: RunningSandbox) -> None:
    sandbox.rule(answer="accept_then_transient")

    assert send_email(sandbox)[0] == 451
    for send, expected in (
        (send_text, (500, "InternalError")),
        (send_by_api, (503, "ServiceUnavailable")),
    ):
        with pytest.raises(ClientError) as raised:
            send(sandbox)
        response = raised.value.response
        status = response["ResponseMetadata"]["HTTPStatusCode"]
        assert (status, response["Error"]["Code"]) == expected
    assert [each["kind"] for each in sandbox.messages()] == ["email", "sms", "email"]


def test_an_accepting_answer_keeps_the_message_and_its_events(sandbox: RunningSandbox) -> None:
    sandbox.rule(channel="sms", answer="accept_then_garbage", events={"outcome": "bounce"})

    publish(sandbox)

    [message] = sandbox.messages()
    assert sandbox.rules()[0]["used"] == 1
    assert message["kind"] == "sms"


def test_every_answer_has_a_sentence_in_the_dev_inbox() -> None:
    answers = get_args(Answer)
    for answer in answers:
        rule = ActiveRule(id=1, used=0, left_s=None, answer=answer)
        assert describe(rule, {}), answer
    assert {"slow", "accept_then_cut"} <= ACCEPTING
