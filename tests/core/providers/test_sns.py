"""The SNS provider, a real boto3 client, against an endpoint on loopback that each test scripts."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.config import Config

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers import sns
from apps.core.providers.base import Receipt, SMSMessage

MESSAGE = SMSMessage("+12025550123", "RS Systems: repair R-1042 approved.")

ACCEPTED = (
    200,
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    "<MessageId>m-1</MessageId></PublishResult></PublishResponse>",
)


def refusal(status: int, code: str, message: str = "no") -> tuple[int, str]:
    return status, (
        f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        f"<RequestId>r-1</RequestId></ErrorResponse>"
    )


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        #: What to answer; None hangs up, and "silence" never answers.
        self.answer: tuple[int, str] | str | None = ACCEPTED
        self.requests: list[dict[str, str]] = []
        self.released = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.requests.append({name: values[0] for name, values in form.items()})
        if self.server.answer == "silence":
            self.server.released.wait()
        if not isinstance(self.server.answer, tuple):
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        settings.SMS_SENDER_ID = "RSSystems"
        settings.SMS_MAX_PRICE_USD = "0.50"
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def test_the_message_id_is_kept(endpoint: Endpoint) -> None:
    assert sns.SNS().send(MESSAGE) == Receipt("sns", "m-1")


def test_the_message_is_transactional_with_the_sender_id_and_the_highest_price(
    endpoint: Endpoint,
) -> None:
    sns.SNS().send(MESSAGE)
    (sent,) = endpoint.requests
    assert (sent["PhoneNumber"], sent["Message"]) == (MESSAGE.to, MESSAGE.text)
    prefix = "MessageAttributes.entry."
    attributes = {
        sent[f"{prefix}{n}.Name"]: sent[f"{prefix}{n}.Value.StringValue"] for n in (1, 2, 3)
    }
    assert attributes == {
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.SenderID": "RSSystems",
        "AWS.SNS.SMS.MaxPrice": "0.50",
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(400, "InvalidParameter"), PermanentError),
        (refusal(400, "ParameterValueInvalid"), PermanentError),
        (refusal(400, "ValidationException"), PermanentError),
        (refusal(400, "Throttling"), ThrottledError),
        (refusal(400, "ThrottlingException"), ThrottledError),
        (refusal(403, "AuthorizationError"), ChannelUnavailableError),
        (refusal(403, "InvalidSecurity"), ChannelUnavailableError),
        (refusal(403, "InvalidClientTokenId"), ChannelUnavailableError),
        (refusal(403, "SomethingElse"), ChannelUnavailableError),
        (refusal(400, "SignatureDoesNotMatch"), ChannelUnavailableError),
        (refusal(400, "SomethingElse"), TransientError),
        (refusal(500, "InternalError"), TransientError),
        (refusal(503, "ServiceUnavailable"), TransientError),
        (refusal(502, "SomethingElse"), AmbiguousError),
        (None, AmbiguousError),
        ("silence", AmbiguousError),
    ],
)
def test_an_answer_becomes_the_error_that_carries_the_decision_after_one_call(
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    expected: type[Exception],
) -> None:
    if answer == "silence":
        monkeypatch.setattr(sns, "CONFIG", sns.CONFIG.merge(Config(read_timeout=1)))
    endpoint.answer = answer
    with pytest.raises(DeliveryError) as caught:
        sns.SNS().send(MESSAGE)
    assert type(caught.value) is expected
    assert len(endpoint.requests) == 1


def test_a_refused_connection_is_transient(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(TransientError):
            sns.SNS().send(MESSAGE)


def test_missing_credentials_stop_the_channel_and_not_the_message(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ChannelUnavailableError):
        sns.SNS().send(MESSAGE)
    assert endpoint.requests == []
