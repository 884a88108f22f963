"""Both ways to SES, against the sandbox: what SES has of a message, and what its faults mean."""

import re
from typing import Any

import pytest

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers.django_mail import DjangoMail
from sandbox.testing import HOST, RunningSandbox
from tests.support.emails import MESSAGE

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
    """The header fields, whose order is nothing to anybody, and the body byte for byte."""
    head, _, body = source.partition("\r\n\r\n")
    return set(re.split(r"\r\n(?![ \t])", head)), body


def test_ses_has_the_same_message_by_either(sandbox: RunningSandbox, settings: Any) -> None:
    receipts = [provider(settings, transport).send(MESSAGE) for transport in TRANSPORTS]
    by_smtp, by_api = (sandbox.message(receipt.message_id) for receipt in receipts)
    for name in ("from", "envelope_from", "to", "subject", "text", "html"):
        assert by_smtp[name] == by_api[name], name
    assert by_smtp["subject"] == MESSAGE.subject
    assert by_smtp["from"] == "RS Systèmes <notifications@rssystems.com>"
    assert by_smtp["tags"] == by_api["tags"] == MESSAGE.tags
    assert by_smtp["configuration_set"] == by_api["configuration_set"] == "rs-systems-notifications"
    sources = [without_what_is_new_each_time(each["source"]) for each in (by_smtp, by_api)]
    assert header_fields(sources[0]) == header_fields(sources[1])


#: A fault of the sandbox's, what it means to a delivery, and how many messages SES has then.
FAULTS: list[tuple[str, type[DeliveryError], int]] = [
    ("throttle", ThrottledError, 0),
    ("transient", TransientError, 0),
    ("permanent", PermanentError, 0),
    ("quota", ChannelUnavailableError, 0),
    ("credentials", ChannelUnavailableError, 0),
    ("paused", ChannelUnavailableError, 0),
    ("refuse", TransientError, 0),
    ("drop", AmbiguousError, 0),
    ("hang", AmbiguousError, 0),
    ("accept_then_drop", AmbiguousError, 1),
    ("accept_then_hang", AmbiguousError, 1),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("fault", "expected", "kept"), FAULTS)
def test_a_fault_means_the_same_by_either_and_ses_is_called_once(
    sandbox: RunningSandbox,
    settings: Any,
    transport: str,
    fault: str,
    expected: type[DeliveryError],
    kept: int,
) -> None:
    settings.EMAIL_TIMEOUT = 1 if "hang" in fault else 10
    sandbox.rule(channel="email", answer=fault)
    with pytest.raises(DeliveryError) as caught:
        provider(settings, transport).send(MESSAGE)
    assert type(caught.value) is expected
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
            kept.send(MESSAGE)
        sandbox.clear_rules()
    assert kept.send(MESSAGE).message_id == sandbox.messages()[0]["id"]
