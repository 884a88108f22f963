"""Both ways to SES, against the sandbox: what SES has of a message, and what its faults mean."""

import re
from dataclasses import replace
from typing import Any

import pytest

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.message import unsubscribe
from apps.core.providers.django_mail import DjangoMail
from sandbox.testing import HOST, RunningSandbox
from tests.support.emails import MESSAGE, send

TRANSPORTS = ["smtp", "ses-api"]


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> RunningSandbox:
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, running.smtp_port
    settings.DEFAULT_FROM_NAME = "RS Systèmes"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", running.aws_url)
    return running


def provider(settings: Any, transport: str) -> DjangoMail:
    return DjangoMail(settings.EMAIL_TRANSPORTS[transport])


def without_what_is_new_each_time(source: str) -> str:
    boundary = re.search(r'boundary="([^"]+)"', source)
    assert boundary
    source = source.replace(boundary[1], "BOUNDARY")
    return re.sub(r"(?m)^(Message-ID|Date): .*$", r"\1", source)


def header_fields(source: str) -> tuple[set[str], str]:
    """Return the header fields without their order, and the body byte for byte."""
    head, _, body = source.partition("\r\n\r\n")
    return set(re.split(r"\r\n(?![ \t])", head)), body


def test_ses_has_the_same_message_by_either(sandbox: RunningSandbox, settings: Any) -> None:
    receipts = [send(provider(settings, transport), MESSAGE) for transport in TRANSPORTS]
    by_smtp, by_api = (sandbox.message(receipt.message_id) for receipt in receipts)
    for name in ("from", "envelope_from", "to", "subject", "text", "html"):
        assert by_smtp[name] == by_api[name], name
    assert by_smtp["subject"] == MESSAGE.subject
    assert by_smtp["from"] == "RS Systèmes <notifications@rssystems.com>"
    assert by_smtp["tags"] == by_api["tags"] == MESSAGE.tags
    assert by_smtp["configuration_set"] == by_api["configuration_set"] == "rs-systems-notifications"
    sources = [without_what_is_new_each_time(each["source"]) for each in (by_smtp, by_api)]
    assert header_fields(sources[0]) == header_fields(sources[1])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_both_headers_of_one_click_unsubscribing_are_sent_whole_by_either(
    sandbox: RunningSandbox, settings: Any, transport: str
) -> None:
    categories = ("a_category_with_a_long_name", "approval", "assignment", "repair_status")
    headers = unsubscribe.headers_for(unsubscribe.Subscription(123456789, categories))
    mail = provider(settings, transport)
    accepted = mail.send(mail.encode(replace(MESSAGE, headers=headers)))
    received = {
        name: value.strip() for name, value in sandbox.message(accepted.message_id)["headers"]
    }
    assert headers.items() <= received.items()
    assert received["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("address", "name", "expected"),
    [
        ("Glass Ltd <n@example.com>", "RS Systems", "Glass Ltd <n@example.com>"),
        ("n@example.com", "RS Systèmes", "RS Systèmes <n@example.com>"),
        ("n@example.com", "Ä" * 80, "Ä" * 80 + " <n@example.com>"),
        ("n@müller-glas.example", "RS", "RS <n@xn--mller-glas-9db.example>"),
        ("n@straße.example", "RS", "RS <n@xn--strae-oqa.example>"),
        ("n@example.com", 'RS "Glass", Inc.', '"RS \\"Glass\\", Inc." <n@example.com>'),
    ],
    ids=["Django's form", "accent", "long name", "umlaut", "eszett", "quotes"],
)
def test_every_form_of_the_sender_is_sent_by_either(
    sandbox: RunningSandbox,
    settings: Any,
    transport: str,
    address: str,
    name: str,
    expected: str,
) -> None:
    settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME = address, name
    accepted = send(provider(settings, transport), MESSAGE)
    found = sandbox.message(accepted.message_id)["from"]
    # Python's parser does not join encoded words, as RFC 2047, 6.2 has it.
    assert found.replace(" ", "") == expected.replace(" ", "")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("n@example.com", "RS\r\nBcc: x@y.example"),
        ("jürgen@example.com", "RS"),
        ("n", "RS"),
        ("n@" + "ä" * 70 + ".example", "RS"),
    ],
    ids=["newline", "local part", "no domain", "long label"],
)
def test_a_sender_that_cannot_be_used_stops_the_channel_unsent(
    sandbox: RunningSandbox, settings: Any, transport: str, address: str, name: str
) -> None:
    settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME = address, name
    with pytest.raises(ChannelUnavailableError):
        send(provider(settings, transport), MESSAGE)
    assert sandbox.messages() == []


@pytest.mark.parametrize("transport", [*TRANSPORTS, "django"])
@pytest.mark.parametrize(
    "change",
    [
        {"to": "jane@" + "ä" * 70 + ".example"},
        {"to": "jürgen@x.example"},
        {"subject": "half an emoji \ud83d"},
        {"text": "half an emoji \ud83d"},
        {"subject": "two\nlines"},
    ],
    ids=["long label", "local part", "subject", "text", "newline"],
)
def test_a_message_that_cannot_be_encoded_is_refused_unsent(
    sandbox: RunningSandbox, settings: Any, transport: str, change: dict[str, Any]
) -> None:
    backend = settings.EMAIL_TRANSPORTS.get(
        transport, "django.core.mail.backends.smtp.EmailBackend"
    )
    with pytest.raises(NotSendable):
        send(DjangoMail(backend), replace(MESSAGE, **change))
    assert sandbox.messages() == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_international_recipient_is_written_to_by_idna_2008(
    sandbox: RunningSandbox, settings: Any, transport: str
) -> None:
    accepted = send(provider(settings, transport), replace(MESSAGE, to="tom@straße.example"))
    assert sandbox.message(accepted.message_id)["to"] == ["tom@xn--strae-oqa.example"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_bodies_are_ascii_in_short_lines(
    sandbox: RunningSandbox, settings: Any, transport: str
) -> None:
    long = replace(MESSAGE, text="Jané " * 400, html=f"<p>{'ж' * 3000}</p>")
    kept = sandbox.message(send(provider(settings, transport), long).message_id)
    assert kept["source"].isascii()
    assert max(map(len, kept["source"].splitlines())) < 998
    assert "8bit" not in kept["source"]
    assert (kept["text"].strip(), kept["html"].strip()) == (long.text.strip(), long.html)


#: A fault of the sandbox, its meaning by SMTP and by the API, and how many messages SES then has.
FAULTS: list[tuple[str, type[DeliveryError], type[DeliveryError], int]] = [
    ("throttle", ThrottledError, ThrottledError, 0),
    ("transient", TransientError, TransientError, 0),
    ("permanent", PermanentError, PermanentError, 0),
    ("quota", ChannelUnavailableError, ChannelUnavailableError, 0),
    ("credentials", ChannelUnavailableError, ChannelUnavailableError, 0),
    ("paused", ChannelUnavailableError, ChannelUnavailableError, 0),
    ("refuse", TransientError, AmbiguousError, 0),
    ("drop", AmbiguousError, AmbiguousError, 0),
    ("hang", AmbiguousError, AmbiguousError, 0),
    ("accept_then_drop", AmbiguousError, AmbiguousError, 1),
    ("accept_then_hang", AmbiguousError, AmbiguousError, 1),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("fault", "by_smtp", "by_api", "kept"), FAULTS)
def test_a_fault_becomes_our_error_after_one_call_by_either(
    sandbox: RunningSandbox,
    settings: Any,
    transport: str,
    fault: str,
    by_smtp: type[DeliveryError],
    by_api: type[DeliveryError],
    kept: int,
) -> None:
    settings.EMAIL_TIMEOUT = 1 if "hang" in fault else 10
    sandbox.rule(channel="email", answer=fault)
    with pytest.raises(DeliveryError) as caught:
        send(provider(settings, transport), MESSAGE)
    assert type(caught.value) is (by_smtp if transport == "smtp" else by_api)
    if fault not in ("refuse", "credentials"):
        assert [rule["used"] for rule in sandbox.rules()] == [1]
    assert len(sandbox.messages()) == kept


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_provider_goes_on_when_a_fault_is_over(
    sandbox: RunningSandbox, settings: Any, transport: str
) -> None:
    kept = provider(settings, transport)
    for fault in ("credentials", "drop", "throttle"):
        sandbox.rule(channel="email", answer=fault)
        with pytest.raises(DeliveryError):
            send(kept, MESSAGE)
        sandbox.clear_rules()
    assert send(kept, MESSAGE).message_id == sandbox.messages()[0]["id"]
