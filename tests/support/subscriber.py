"""A subscriber of an SNS topic that checks each signature and answers as the test says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import ProxyHandler, build_opener

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.testing import HOST

from .serving import serving

NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = (
    "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
)  # fmt: skip


@dataclass
class Delivery:
    """One POST of SNS."""

    headers: dict[str, str]
    envelope: dict[str, str]
    path: str

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.envelope["Message"]))

    @property
    def type(self) -> str:
        return str(self.event["eventType"])


class Subscriber:
    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        #: Called with each delivery; returns the status to answer with.
        self.answer: Callable[[Delivery], int] = lambda delivery: 200
        self.url = ""

    @property
    def types(self) -> list[str]:
        return [delivery.type for delivery in self.deliveries]

    def of(self, message_id: str) -> list[Delivery]:
        return [each for each in self.deliveries if each.event["mail"]["messageId"] == message_id]

    def take(self, delivery: Delivery) -> int:
        self.deliveries.append(delivery)
        return self.answer(delivery)


def check_signature(envelope: dict[str, str]) -> None:
    """Check the signature as the documentation of SNS says; raise InvalidSignature."""
    with build_opener(ProxyHandler({})).open(envelope["SigningCertURL"], timeout=60) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    names = NOTIFICATION if envelope["Type"] == "Notification" else CONFIRMATION
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    # Version 1 of the signature is SHA-1.
    algorithm: hashes.HashAlgorithm = (
        hashes.SHA1() if envelope["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
    )
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    signature = base64.b64decode(envelope["Signature"])
    key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)


@contextmanager
def running_subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = subscriber.take(Delivery(headers, json.loads(body), self.path))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with serving(ThreadingHTTPServer((HOST, 0), Handler)) as server:
        subscriber.url = f"http://{HOST}:{server.server_port}/webhooks/aws/sns"
        yield subscriber
