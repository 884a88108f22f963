import re
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest

from sandbox.testing import HOST, SMTP_PASSWORD, SMTP_USER, RunningSandbox

SES_ID = re.compile(
    r"0100[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-000000"
)


@pytest.fixture
def stranger(sandbox: RunningSandbox) -> Iterator[smtplib.SMTP]:
    """Yield a client that has not logged in."""
    with smtplib.SMTP(HOST, sandbox.smtp_port, timeout=60) as client:
        client.ehlo()
        yield client


@pytest.fixture
def client(stranger: smtplib.SMTP) -> smtplib.SMTP:
    stranger.login(SMTP_USER, SMTP_PASSWORD)
    return stranger


def an_email(**headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "RS Systems <no-reply@rs.example>"
    message["To"] = "owner@customer.example"
    message["Subject"] = "Your repair is ready"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("It is ready.")
    return message


def send_raw(client: smtplib.SMTP, source: bytes) -> tuple[int, str]:
    client.mail("no-reply@rs.example")
    client.rcpt("owner@customer.example")
    code, reply = client.data(source)
    return code, reply.decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_the_right_password_is_accepted_by_plain_and_login(
    stranger: smtplib.SMTP, mechanism: str
) -> None:
    stranger.user, stranger.password = SMTP_USER, SMTP_PASSWORD
    authobject = stranger.auth_plain if mechanism == "PLAIN" else stranger.auth_login

    code, _ = stranger.auth(mechanism, authobject)

    assert code == 235


@pytest.mark.parametrize(("user", "password"), [(SMTP_USER, "wrong"), ("somebody", SMTP_PASSWORD)])
def test_a_wrong_user_or_password_is_refused_with_535(
    stranger: smtplib.SMTP, user: str, password: str
) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        stranger.login(user, password)

    assert refusal.value.smtp_code == 535
    assert refusal.value.smtp_error == b"Authentication Credentials Invalid"


def test_a_client_without_a_login_is_refused_with_530(
    sandbox: RunningSandbox, stranger: smtplib.SMTP
) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
        stranger.send_message(an_email())

    assert refusal.value.smtp_code == 530
    assert sandbox.messages() == []


def test_the_reply_to_an_accepted_message_has_its_id(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    code, reply = send_raw(client, b"Subject: Your repair is ready\r\n\r\nIt is.")

    assert code == 250
    answer, message_id = reply.split(" ")
    assert answer == "Ok"
    assert SES_ID.fullmatch(message_id)
    assert sandbox.message(message_id)["subject"] == "Your repair is ready"


def test_message_id_and_date_are_replaced(sandbox: RunningSandbox, client: smtplib.SMTP) -> None:
    long_ago = "Thu, 01 Jan 2015 00:00:00 +0000"
    client.send_message(an_email(Message_ID="<ours@rs.example>", Date=long_ago))

    [kept] = sandbox.messages(full=1)
    headers = [(name.lower(), value) for name, value in kept["headers"]]
    [message_id] = [value for name, value in headers if name == "message-id"]
    [date] = [value for name, value in headers if name == "date"]
    assert message_id == f"<{kept['id']}@email.amazonses.com>"
    assert abs(parsedate_to_datetime(date) - datetime.now(UTC)) < timedelta(minutes=1)
    assert "ours@rs.example" not in kept["source"]
    assert long_ago not in kept["source"]


def test_configuration_set_and_tags_are_read_and_removed(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    client.send_message(
        an_email(
            X_SES_CONFIGURATION_SET="rs-events",
            X_SES_MESSAGE_TAGS=f"notification=01J-A_b, tenant=7,kind=repair_ready, x={'y' * 60}",
        )
    )

    [kept] = sandbox.messages(full=1)
    assert kept["configuration_set"] == "rs-events"
    assert kept["tags"] == {
        "notification": "01J-A_b",
        "tenant": "7",
        "kind": "repair_ready",
        "x": "y" * 60,
    }
    assert "x-ses" not in kept["source"].lower()


def test_without_ses_headers_there_are_no_tags_or_configuration_set(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    client.send_message(an_email())

    [kept] = sandbox.messages()
    assert kept["configuration_set"] is None
    assert kept["tags"] == {}


@pytest.mark.parametrize(
    "tags",
    ["kind", "kind=", "=ready", "kind=a b", "kind=a.b", "kind=a=b", "kind=é", "a=b,", "a=b;c=d"],
)
def test_invalid_tags_are_refused_with_554(
    sandbox: RunningSandbox, client: smtplib.SMTP, tags: str
) -> None:
    code, reply = send_raw(client, f"X-SES-MESSAGE-TAGS: {tags}\r\n\r\n.".encode())

    assert code == 554
    assert reply.startswith("Transaction failed: Invalid message tag")
    assert sandbox.messages() == []


@pytest.mark.parametrize(("length", "code"), [(256, 250), (257, 554)])
def test_a_tag_value_may_have_256_characters_and_no_more(
    client: smtplib.SMTP, length: int, code: int
) -> None:
    source = f"X-SES-MESSAGE-TAGS: kind={'a' * length}\r\n\r\n.".encode()

    assert send_raw(client, source)[0] == code


@pytest.mark.parametrize(
    "address",
    [
        "",
        "owner",
        "owner@",
        "owner@customer",
        "@customer.example",
        "a b@customer.example",
        "a..b@customer.example",
        "owner@-customer.example",
        "owner@customer..example",
    ],
)
def test_a_bad_recipient_is_refused_with_553(
    sandbox: RunningSandbox, client: smtplib.SMTP, address: str
) -> None:
    client.mail("no-reply@rs.example")

    code, _ = client.docmd("RCPT", f"TO:<{address}>")

    assert code == 553
    assert sandbox.messages() == []


def test_a_bad_recipient_does_not_stop_the_others(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    refused = client.send_message(an_email(), to_addrs=["a@rs.example", "bad@", "b@rs.example"])

    assert [code for code, _ in refused.values()] == [553]
    [kept] = sandbox.messages()
    assert kept["to"] == ["a@rs.example", "b@rs.example"]


def test_text_and_html_are_decoded(sandbox: RunningSandbox, client: smtplib.SMTP) -> None:
    message = an_email(List_Unsubscribe="<https://rs.example/u/1>")
    message.replace_header(
        "Subject", "Réparation prête à être récupérée — nº 42, chez Müller & Søn"
    )
    message.set_content("Prête.\nÀ bientôt.\n")
    message.add_alternative("<p>Prête.</p>\n", subtype="html")
    client.send_message(message)

    [listed] = sandbox.messages()
    kept = sandbox.message(listed["id"])
    assert kept["subject"] == "Réparation prête à être récupérée — nº 42, chez Müller & Søn"
    assert kept["from"] == "RS Systems <no-reply@rs.example>"
    assert kept["envelope_from"] == "no-reply@rs.example"
    assert kept["text"] == "Prête.\nÀ bientôt.\n"
    assert kept["html"] == "<p>Prête.</p>\n"
    assert ["List-Unsubscribe", "<https://rs.example/u/1>"] in kept["headers"]


def test_an_attachment_is_not_taken_for_the_text(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    message = an_email()
    message.set_content("<p>Ready.</p>\n", subtype="html")
    message.add_attachment("not the text", filename="notes.txt")
    client.send_message(message)

    [kept] = sandbox.messages(full=1)
    assert kept["text"] is None
    assert kept["html"] == "<p>Ready.</p>\n"


def test_ses_headers_are_read_from_lines_that_end_in_lf_alone(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    send_raw(client, b"Subject: x\nX-SES-MESSAGE-TAGS: kind=ready,\n tenant=7\n\nReady.")

    [kept] = sandbox.messages()
    assert kept["tags"] == {"kind": "ready", "tenant": "7"}
    assert kept["text"] == "Ready.\n"


def test_the_body_is_stored_byte_for_byte(sandbox: RunningSandbox, client: smtplib.SMTP) -> None:
    body = ".a line that opens with a dot\r\n\r\n..two\r\nFrom here on\r\n"
    send_raw(client, b"Subject: folded\r\n  here\r\n\r\n" + body.encode())

    [kept] = sandbox.messages(full=1)
    headers, _, kept_body = kept["source"].partition("\r\n\r\n")
    assert headers.startswith("Subject: folded\r\n  here\r\n")
    assert kept_body == body
    assert ["Subject", "folded  here"] in kept["headers"]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\r\nno headers at all",
        b"not a header\r\nSubject: x\r\n\r\nbody",
        b"Content-Type: multipart/mixed; boundary=never\r\n\r\nno parts",
        b"Content-Type: text/plain; charset=no-such\r\n\r\n\xff\xfe",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Subject: =?no-such?q?x?=\r\nFrom: <<>>, ;\r\n\r\n",
    ],
)
def test_a_malformed_message_is_stored_and_listed(
    sandbox: RunningSandbox, client: smtplib.SMTP, source: bytes
) -> None:
    code, _ = send_raw(client, source)

    assert code == 250
    assert len(sandbox.messages(full=1)) == 1


def test_one_connection_may_send_many_messages_each_with_its_own_id(
    sandbox: RunningSandbox, client: smtplib.SMTP
) -> None:
    for number in range(20):
        client.send_message(an_email(X_Number=str(number)))

    kept = sandbox.messages()
    assert [dict(message["headers"])["X-Number"] for message in kept] == [
        str(number) for number in range(20)
    ]
    assert len({message["id"] for message in kept}) == 20
