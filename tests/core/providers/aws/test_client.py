"""What SNS and SES's API share, in calls to an endpoint on loopback."""

import socket
from collections.abc import Iterator

import pytest

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    PermanentError,
    TransientError,
)
from apps.core.providers.aws.client import AwsClient
from apps.core.providers.aws.errors import Vocabulary
from tests.support.endpoint import Answer, Endpoint, running_endpoint

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with running_endpoint(Answer(200, '{"MessageId": "m-1"}')) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", server.url)
        yield server


def client(region: str = "us-east-1") -> AwsClient:
    return AwsClient("sesv2", region, Vocabulary({}), read_timeout=10)


def send(by: AwsClient) -> str:
    return str(by.call("send_email", Content={"Raw": {"Data": b"Subject: x"}})["MessageId"])


def test_a_refused_connection_is_transient(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(TransientError) as caught:
            send(client())
    assert type(caught.value) is TransientError


def test_missing_credentials_are_looked_for_again_at_the_next_call(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = client()
    with monkeypatch.context() as without:
        for name in CREDENTIALS:
            without.delenv(name)
        with pytest.raises(ChannelUnavailableError):
            send(kept)
    assert endpoint.bodies == []
    assert send(kept) == "m-1"


def test_a_client_is_kept_while_aws_takes_what_it_sends(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = client()
    kept.open()
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    assert [send(kept), send(kept)] == ["m-1", "m-1"]


@pytest.mark.parametrize("name", [*CREDENTIALS[:1], "AWS_SESSION_TOKEN"])
def test_credentials_with_a_line_break_stop_the_channel_and_are_not_quoted(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "of a file\nwith two lines")
    with pytest.raises(ChannelUnavailableError) as caught:
        send(client())
    assert endpoint.bodies == []
    assert "with two lines" not in str(caught.value)


@pytest.mark.parametrize("code", ["MessageRejected", "NotFoundException", "AccessDenied"])
def test_a_server_error_is_ambiguous_whatever_its_code(endpoint: Endpoint, code: str) -> None:
    endpoint.answer = Answer(500, '{"message": "no"}', {"x-amzn-ErrorType": code})
    known = AwsClient(
        "sesv2", "us-east-1", Vocabulary({"MessageRejected": PermanentError}), read_timeout=10
    )
    with pytest.raises(AmbiguousError) as caught:
        send(known)
    assert caught.value.code == code


def test_a_region_that_cannot_be_stops_the_channel() -> None:
    with pytest.raises(ChannelUnavailableError):
        client("no region").open()
