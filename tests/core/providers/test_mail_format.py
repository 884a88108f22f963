from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from apps.core.checks import check_values
from apps.core.exceptions import NotSendable
from apps.core.providers import mail_format
from tests.support.emails import MESSAGE


@pytest.mark.parametrize(
    ("address", "name", "expected"),
    [
        ("n@example.com", "RS Systems", "RS Systems <n@example.com>"),
        ("Glass Ltd <n@example.com>", "RS Systems", "Glass Ltd <n@example.com>"),
        ("n@example.com", "", "n@example.com"),
    ],
)
def test_a_name_in_the_address_wins(settings: Any, address: str, name: str, expected: str) -> None:
    settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME = address, name
    assert mail_format.our_sender() == expected


def test_a_long_name_is_on_one_line_of_short_encoded_words(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME = "n@example.com", "ж" * 100
    sender = mail_format.our_sender()
    assert "\n" not in sender
    assert max(map(len, sender.split())) <= 75
    assert mail_format.sender(sender) == sender


@pytest.mark.parametrize("address", ["n", "jürgen@example.com", "a b@example.com", "@example.com"])
def test_the_system_check_names_a_sender_that_cannot_be_used(settings: Any, address: str) -> None:
    settings.DEFAULT_FROM_EMAIL = address
    assert "notifications.E020" in [each.id for each in check_values(None)]


# --- Messages as bytes --------------------------------------------------------------------------


def parsed(**changes: Any) -> EmailMessage:
    """Return a message as the standard library's parser reads its bytes."""
    payload = wire(**changes).payload
    return message_from_bytes(payload, policy=policy.default)


def wire(**changes: Any) -> mail_format.Wire:
    sender, recipient = "RS Systems <n@rssystems.com>", "jane@fleet.example"
    return mail_format.wire(replace(MESSAGE, **changes), sender, recipient)


def bodies(mail: EmailMessage) -> tuple[str, str]:
    plain, html = mail.iter_parts()
    found = (_content(plain), _content(html))
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return found


def _content(part: Any) -> str:
    """Return a body with our line ends, without the last one."""
    decoded: str = part.get_payload(decode=True).decode()
    return decoded.replace("\r\n", "\n").removesuffix("\n")


def _with_our_line_ends(body: str) -> str:
    return body.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def test_a_message_has_the_headers_that_servers_and_readers_need() -> None:
    mail = parsed()
    assert mail["From"] == "RS Systems <n@rssystems.com>"
    assert mail["To"] == "jane@fleet.example"
    assert mail["Subject"] == MESSAGE.subject
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Date"].datetime
    assert mail["Message-ID"]
    assert mail["MIME-Version"] == "1.0"
    assert not mail.defects
    assert len({*mail.keys()}) == len(mail.keys()), "each header once"


def test_the_message_id_is_of_the_sender_s_domain() -> None:
    assert parsed()["Message-ID"].endswith("@rssystems.com>")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("office@rssystems.com", "office@rssystems.com"),
        ("Büro & Söhne <office@rssystems.com>", "Büro & Söhne <office@rssystems.com>"),
        ("office@bücher.example", "office@xn--bcher-kva.example"),
    ],
)
def test_replies_go_to_an_address_that_every_server_reads(given: str, read: str) -> None:
    built = wire(headers={"Reply-To": given})
    assert b"\xc3" not in built.payload
    name, _, address = parsed(headers={"Reply-To": given})["Reply-To"].rpartition(" ")
    assert f"{name.strip(chr(34))} {address}".strip() == read


@pytest.mark.parametrize(
    "headers",
    [{"Reply-To": "no address"}, {"Reply-To": "a@b.example\nBcc: c@d.example"}, {"List-Id": "ü"}],
)
def test_a_header_that_cannot_be_written_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(NotSendable, match="cannot be encoded"):
        wire(headers=headers)


def test_what_ses_is_told_beside_a_message_is_not_in_its_bytes() -> None:
    built = wire()
    assert built.recipients == ["jane@fleet.example"]
    assert built.sender == "RS Systems <n@rssystems.com>"
    assert MESSAGE.tags["delivery"] in str(built.ses)
    assert b"X-SES" not in built.payload


def test_two_messages_have_different_ids_and_boundaries() -> None:
    first, second = parsed(), parsed()
    assert first["Message-ID"] != second["Message-ID"]
    assert first.get_boundary() != second.get_boundary()


@pytest.mark.parametrize(
    "subject",
    [
        "plain",
        MESSAGE.subject,
        "Jané " * 60,
        "x" * 900,
        "a word " * 100,
        "ж" * 300,
        "🔧" * 80,
        "",
    ],
    ids=[
        "ascii",
        "dash",
        "long",
        "one word",
        "words",
        "cyrillic",
        "emoji",
        "none",
    ],
)
def test_a_subject_of_any_kind_and_length_survives(subject: str) -> None:
    assert parsed(subject=subject)["Subject"] == subject


@pytest.mark.parametrize(
    "body",
    [
        "one\ntwo",
        "one\r\ntwo\r\n",
        "one\rtwo",
        "\n\n\nlines\n\n\n",
        ".\n..\n.hidden\nend\n.",
        "spaces at the end   \nand a tab\t\nend",
        "From me\n>From you\n",
        "x" * 5000,
        "ж" * 5000,
        "a=3D b=\nc",
        "--=_boundary\n--",
        "",
    ],
    ids=[
        "lf",
        "crlf",
        "cr",
        "empty lines",
        "dots",
        "trailing spaces",
        "from",
        "long",
        "long cyrillic",
        "equals",
        "boundary",
        "empty",
    ],
)
def test_a_body_of_any_form_survives(body: str) -> None:
    assert bodies(parsed(text=body, html=body)) == (_with_our_line_ends(body),) * 2


def test_the_lines_of_a_body_are_lines_of_the_message() -> None:
    assert b"\r\none\r\ntwo\r\nthree" in wire(text="one\ntwo\r\nthree").payload


LINES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=2000)


@given(text=LINES, html=LINES)
@settings_of_hypothesis(deadline=None, max_examples=200)
def test_whatever_a_template_makes_arrives_as_it_was(text: str, html: str) -> None:
    mail = parsed(text=text, html=html)
    assert not mail.defects
    assert bodies(mail) == (_with_our_line_ends(text), _with_our_line_ends(html))


@given(text=LINES, subject=st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
@settings_of_hypothesis(deadline=None, max_examples=200)
def test_every_message_is_short_lines_of_ascii(text: str, subject: str) -> None:
    payload = wire(text=text, html=text, subject=subject).payload
    payload.decode("ascii")
    lines = payload.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines), "CRLF ends every line"
    assert max(map(len, lines)) <= 998
    assert payload.endswith(b"\r\n")


def test_a_message_of_django_s_own_is_short_lines_of_ascii_too() -> None:
    message = EmailMultiAlternatives("Über", "é" * 2000, "n@example.com", ["jane@fleet.example"])
    message.attach_alternative(f"<p>{'ж' * 2000}</p>", "text/html")
    payload = mail_format.of_django(message).payload
    assert payload.isascii()
    assert max(map(len, payload.split(b"\r\n"))) <= 998
    assert b"8bit" not in payload


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("header", ["subject", "headers"])
def test_a_line_break_in_a_header_is_refused(header: str, end: str) -> None:
    value = f"harmless{end}Bcc: x@y.example"
    with pytest.raises(NotSendable, match="line break"):
        wire(**{header: {"List-Id": value} if header == "headers" else value})


@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_half_an_emoji_is_refused(part: str) -> None:
    with pytest.raises(NotSendable, match="cannot be encoded"):
        wire(**{part: "half an emoji \ud83d"})


def test_further_headers_are_written_once_and_as_they_are() -> None:
    unsubscribe = "<https://app.rssystems.com/u/1>"
    mail = parsed(
        headers={"List-Unsubscribe": unsubscribe, "List-Unsubscribe-Post": "List-Unsubscribe=One"}
    )
    assert mail.get_all("List-Unsubscribe") == [unsubscribe]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One"
    assert mail.get_content_type() == "multipart/alternative"


def test_our_bytes_mean_the_same_as_those_of_the_standard_library(settings: Any) -> None:
    theirs = message_from_bytes(
        mail_format.of_django(_as_django_builds_it()).payload, policy=policy.default
    )
    ours = parsed()
    for name in ("From", "To", "Subject", "MIME-Version"):
        assert ours[name] == theirs[name]
    assert bodies(ours) == bodies(theirs)


def _as_django_builds_it() -> EmailMultiAlternatives:
    mail = EmailMultiAlternatives(
        MESSAGE.subject, MESSAGE.text, "RS Systems <n@rssystems.com>", ["jane@fleet.example"]
    )
    mail.attach_alternative(MESSAGE.html, "text/html")
    return mail
