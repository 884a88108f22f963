"""E-mails that a real boto3 client sends by SES's API."""

from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore import exceptions as aws_errors
from botocore.exceptions import ClientError

from sandbox.testing import RunningSandbox
from tests.support.clients import ADDRESS, DELIVERY, IMPATIENCE_S, PATIENCE_S, aws, send_text

RAW = (
    "From: =?utf-8?q?RS_Syst=C3=A8mes?= <no-reply@rs.example>\r\n"
    f"To: {ADDRESS}\r\n"
    "Subject: =?utf-8?b?UHLDqnQ=?=\r\n"
    "Message-ID: <ours@rs.example>\r\n"
    "\r\n"
    "Ready.\r\n"
)
TAGS = [{"Name": "delivery", "Value": DELIVERY}, {"Name": "attempt", "Value": "2"}]


def send(sandbox: RunningSandbox, source: str = RAW, **more: Any) -> str:
    """Send a raw message and return its ID."""
    timeout = more.pop("timeout", PATIENCE_S)
    client = aws(sandbox, "sesv2", timeout)
    return str(client.send_email(Content={"Raw": {"Data": source.encode()}}, **more)["MessageId"])


def refusal(sandbox: RunningSandbox, **request: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as raised:
        aws(sandbox, "sesv2").send_email(**{"Content": {"Raw": {"Data": RAW.encode()}}, **request})
    answer = raised.value.response
    error = answer["Error"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def test_a_raw_message_is_stored_as_one_by_smtp(
    sandbox: RunningSandbox,
) -> None:
    message_id = send(sandbox, Destination={"ToAddresses": [ADDRESS]})
    kept = sandbox.message(message_id)
    assert (kept["from"], kept["subject"]) == ("RS Systèmes <no-reply@rs.example>", "Prêt")
    assert (kept["envelope_from"], kept["to"]) == ("no-reply@rs.example", [ADDRESS])
    assert (kept["text"], kept["html"]) == ("Ready.\n", None)
    assert (kept["tags"], kept["configuration_set"]) == ({}, None)
    assert f"<{message_id}@email.amazonses.com>" in kept["source"]
    assert "ours@rs.example" not in kept["source"]


def test_the_request_s_fields_override_the_headers_of_a_raw_message(
    sandbox: RunningSandbox,
) -> None:
    headers = "X-SES-MESSAGE-TAGS: kind=x\r\nX-SES-CONFIGURATION-SET: other\r\n"
    message_id = send(
        sandbox,
        headers + RAW,
        Destination={"ToAddresses": ["a@x.example"], "BccAddresses": ["b@x.example"]},
        FromEmailAddress="Other <other@rs.example>",
        EmailTags=TAGS,
        ConfigurationSetName="rs-events",
    )
    kept = sandbox.message(message_id)
    assert kept["tags"] == {"delivery": DELIVERY, "attempt": "2"}
    assert kept["configuration_set"] == "rs-events"
    assert (kept["from"], kept["envelope_from"]) == ("Other <other@rs.example>", "other@rs.example")
    assert kept["to"] == ["a@x.example", "b@x.example"]
    assert [name for name, _ in kept["headers"]].count("From") == 1


def test_a_raw_message_alone_is_enough(
    sandbox: RunningSandbox,
) -> None:
    headers = f"X-SES-MESSAGE-TAGS: delivery={DELIVERY}\r\nX-SES-CONFIGURATION-SET: rs-events\r\n"
    kept = sandbox.message(send(sandbox, headers + RAW))
    assert (kept["to"], kept["tags"]) == ([ADDRESS], {"delivery": DELIVERY})
    assert kept["configuration_set"] == "rs-events"


@pytest.mark.parametrize(
    ("body", "text", "html"),
    [
        ({"Text": {"Data": "Prêt."}}, "Prêt.\n", None),
        ({"Html": {"Data": "<p>Prêt.</p>", "Charset": "UTF-8"}}, None, "<p>Prêt.</p>\n"),
        ({"Text": {"Data": "Hi"}, "Html": {"Data": "<p>Hi</p>"}}, "Hi\n", "<p>Hi</p>\n"),
    ],
)
def test_a_simple_message_is_made_into_mime(
    sandbox: RunningSandbox, body: dict[str, Any], text: str | None, html: str | None
) -> None:
    answer = aws(sandbox, "sesv2").send_email(
        FromEmailAddress="RS <no-reply@rs.example>",
        Destination={"ToAddresses": [ADDRESS], "CcAddresses": ["cc@x.example"]},
        ReplyToAddresses=["office@rs.example"],
        EmailTags=TAGS,
        Content={
            "Simple": {
                "Subject": {"Data": "Prêt"},
                "Body": body,
                "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://rs.example/u>"}],
            }
        },
    )
    kept = sandbox.message(answer["MessageId"])
    assert (kept["subject"], kept["text"], kept["html"]) == ("Prêt", text, html)
    assert kept["to"] == [ADDRESS, "cc@x.example"]
    assert kept["tags"] == {"delivery": DELIVERY, "attempt": "2"}
    assert ["Reply-To", "office@rs.example"] in kept["headers"]
    assert ["List-Unsubscribe", "<https://rs.example/u>"] in kept["headers"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"Content": {}}, "give either Raw or Simple"),
        ({"Content": {"Raw": {"Data": b"Subject: x\r\n\r\nx"}}}, "The sender's address '' is"),
        ({"Content": {"Raw": {"Data": b"From: us@rs.example\r\n\r\nx"}}}, "Recipient count is 0"),
        ({"Destination": {"ToAddresses": ["owner@"]}}, "Illegal address"),
        ({"Destination": {"ToAddresses": [ADDRESS] * 51}}, "Recipient count is 51"),
        ({"FromEmailAddress": "nobody"}, "The sender's address 'nobody' is"),
        ({"EmailTags": [{"Name": "kind", "Value": "a b"}]}, "EmailTags.0.Value: String should"),
        ({"EmailTags": [{"Name": "k", "Value": "a" * 257}]}, "EmailTags.0.Value: String should"),
        ({"ConfigurationSetName": "a b"}, "ConfigurationSetName: String should"),
        ({"Content": {"Template": {"TemplateName": "t"}}}, "Content.Template: Extra inputs"),
        ({"ListManagementOptions": {"ContactListName": "l"}}, "ListManagementOptions: Extra"),
        (
            {"Content": {"Simple": {"Subject": {"Data": "x"}, "Body": {}}}},
            "Content.Simple.Body: give Text or Html",
        ),
        (
            {
                "FromEmailAddress": "us@rs.example",
                "Content": {
                    "Simple": {"Subject": {"Data": "a\nb"}, "Body": {"Text": {"Data": "x"}}}
                },
            },
            "Content.Simple: Header values may not contain",
        ),
        (
            {"Content": {"Raw": {"Data": b"X-SES-MESSAGE-TAGS: no tag\r\n" + RAW.encode()}}},
            "Invalid message tag 1",
        ),
    ],
)
def test_an_invalid_request_is_refused_and_uses_no_rule(
    sandbox: RunningSandbox, request_: dict[str, Any], words: str
) -> None:
    sandbox.rule(channel="email", answer="throttle", times=1)
    status, code, message = refusal(sandbox, **request_)
    assert (status, code) == (400, "BadRequestException")
    assert words in message
    assert sandbox.messages() == []
    assert [rule["used"] for rule in sandbox.rules()] == [0]


@pytest.mark.parametrize("body", [b"", b"Subject: x", b'{"Content": {"Raw": {"Data": "!"}}}'])
def test_an_unreadable_request_is_a_serialization_error(
    sandbox: RunningSandbox, body: bytes
) -> None:
    request = Request(f"{sandbox.aws_url}/v2/email/outbound-emails", body, method="POST")
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=PATIENCE_S)
    assert refused.value.code == 400
    assert refused.value.headers["x-amzn-ErrorType"] == "SerializationException"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("throttle", (429, "TooManyRequestsException", "Maximum sending rate exceeded.")),
        ("transient", (408, "RequestTimeout", "The request was not read in time.")),
        ("permanent", (400, "MessageRejected", "Address is on a blocked list")),
        ("quota", (400, "LimitExceededException", "Daily message quota exceeded.")),
        (
            "credentials",
            (
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
        ),
        (
            "paused",
            (
                400,
                "SendingPausedException",
                "Email sending is disabled: account sending paused",
            ),
        ),
        ("refuse", (503, "ServiceUnavailable", "Service is unavailable.")),
    ],
)
def test_an_email_is_refused_with_the_codes_of_ses(
    sandbox: RunningSandbox, answer: str, expected: tuple[int, str, str]
) -> None:
    sandbox.rule(channel="email", answer=answer)
    assert refusal(sandbox) == expected
    assert sandbox.messages() == []
    assert send_text(sandbox)


@pytest.mark.parametrize(("answer", "kept"), [("hang", 0), ("accept_then_hang", 1)])
def test_a_hanging_call_ends_with_its_client(
    sandbox: RunningSandbox, answer: str, kept: int
) -> None:
    sandbox.rule(channel="email", answer=answer)
    with pytest.raises(aws_errors.ReadTimeoutError):
        send(sandbox, timeout=IMPATIENCE_S)
    assert len(sandbox.messages()) == kept


@pytest.mark.parametrize(("answer", "kept"), [("drop", 0), ("accept_then_drop", 1)])
def test_a_connection_can_be_closed_instead_of_an_answer(
    sandbox: RunningSandbox, answer: str, kept: int
) -> None:
    sandbox.rule(channel="email", answer=answer)
    with pytest.raises(aws_errors.ConnectionClosedError):
        send(sandbox)
    assert len(sandbox.messages()) == kept


def test_a_rule_for_an_address_does_not_apply_to_others(sandbox: RunningSandbox) -> None:
    sandbox.rule(to=ADDRESS, answer="permanent")
    assert refusal(sandbox)[1] == "MessageRejected"
    assert send(sandbox, Destination={"ToAddresses": ["other@x.example"]})


def test_a_slow_answer_still_accepts_the_message(sandbox: RunningSandbox) -> None:
    sandbox.rule(channel="email", answer="slow", after_s=0.1)
    assert sandbox.message(send(sandbox))["subject"] == "Prêt"


def test_the_permission_to_send_can_be_denied(sandbox: RunningSandbox) -> None:
    sandbox.account(denied=["ses:SendRawEmail"])
    status, code, message = refusal(sandbox)
    sandbox.reset_account()
    assert (status, code) == (403, "AccessDeniedException")
    assert message.endswith("not authorized to perform: ses:SendRawEmail")


def test_a_message_of_megabytes_is_accepted(sandbox: RunningSandbox) -> None:
    assert send(sandbox, RAW + "x" * 3_000_000)
