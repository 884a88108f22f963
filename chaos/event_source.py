"""An SNS topic of the harness's own, whose events can be as broken as a scenario wants.

It signs events, serves the certificates, posts events to the webhook, and is the SQS queue.
"""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sandbox import arns
from sandbox.sns.signing import Signer
from tools.processes import LOOPBACK

ANSWER_S = 15.0
QUEUE_PATH = "/000000000000/events"
#: Receives after which a message goes to the dead letters.
MOST_RECEIVES = 3
BATCH = 10

_VERSION_3, _VERSION_6 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"
_RSA, _UNKNOWN_KEY = (bytes.fromhex(f"06092a864886f70d0101{last}") for last in ("01", "7f"))

_http = build_opener(ProxyHandler({}))


class _Message(NamedTuple):
    name: str
    body: str


class EventSource:
    """Publishes events by the webhook and by the queue; `url` is where it listens.

    Events have names, by which the harness asks later what became of them.
    """

    def __init__(self, url: str, webhook_url: str) -> None:
        self.url = url
        #: The webhook's answers, by the event's name.
        self.statuses: dict[str, int] = {}
        #: The names of events that were received too often and not deleted.
        self.dead_letters: list[str] = []
        self._webhook_url = webhook_url
        self._signer = Signer("2")
        self.certificates = _certificates(self._signer)
        self._lock = threading.Lock()
        self._visible: list[_Message] = []
        self._hidden: dict[str, _Message] = {}
        self._receives: Counter[str] = Counter()

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment of an application that trusts this source and reads its queue."""
        return {
            "SANDBOX_URL": self.url,
            "AWS_ENDPOINT_URL_SQS": self.url,
            "AWS_SES_EVENT_QUEUE_URL": f"{self.url}{QUEUE_PATH}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def post(self, name: str, event: str, certificate: str = "good") -> None:
        """Post the event to the webhook, once."""
        body = self._envelope(event, certificate).encode()
        headers = {"Content-Type": "text/plain; charset=UTF-8"}
        try:
            request = Request(self._webhook_url, body, headers)  # noqa: S310  our own address
            with _http.open(request, timeout=ANSWER_S) as answer:
                self.statuses[name] = answer.status
        except HTTPError as error:
            self.statuses[name] = error.code

    def enqueue(self, name: str, event: str, certificate: str = "good") -> None:
        """Put the event into the queue."""
        with self._lock:
            self._visible.append(_Message(name, self._envelope(event, certificate)))

    def unread(self) -> list[str]:
        """Return the names of events that no reader has received yet."""
        with self._lock:
            return [message.name for message in self._visible]

    def undeleted(self) -> list[str]:
        """Return the names of events that were received and not deleted."""
        with self._lock:
            return [message.name for message in self._hidden.values()]

    def end_visibility_timeouts(self) -> None:
        """Show received messages again now; those received too often become dead letters."""
        with self._lock:
            for message in self._hidden.values():
                if self._receives[message.name] >= MOST_RECEIVES:
                    self.dead_letters.append(message.name)
                else:
                    self._visible.append(message)
            self._hidden.clear()

    def answer(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer a call of SQS's API."""
        with self._lock:
            if action == "DeleteMessage":
                self._hidden.pop(asked["ReceiptHandle"], None)
                return {}
            batch, self._visible = self._visible[:BATCH], self._visible[BATCH:]
            return {"Messages": [self._hide(message) for message in batch]}

    def _hide(self, message: _Message) -> dict[str, str]:
        receipt = str(uuid4())
        self._receives[message.name] += 1
        self._hidden[receipt] = message
        checksum = hashlib.md5(message.body.encode()).hexdigest()  # noqa: S324  SQS's own
        return {
            "MessageId": str(uuid4()),
            "ReceiptHandle": receipt,
            "MD5OfBody": checksum,
            "Body": message.body,
        }

    def _envelope(self, event: str, certificate: str) -> str:
        fields = {
            "Type": "Notification",
            "MessageId": str(uuid4()),
            "TopicArn": arns.TOPIC,
            "Subject": "Amazon SES Email Event Notification",
            "Message": event,
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
        }
        return json.dumps(
            fields
            | {
                "SignatureVersion": self._signer.version,
                "Signature": self._signer.sign(fields),
                "SigningCertURL": f"{self.url}{certificate_path(certificate)}",
            }
        )


def certificate_path(name: str) -> str:
    return f"/SimpleNotificationService-{name}.pem"


def _certificates(signer: Signer) -> dict[str, bytes]:
    """Return the certificates to serve, by path; only one can be read."""
    good = x509.load_pem_x509_certificate(signer.certificate)
    der = good.public_bytes(serialization.Encoding.DER)
    named = {
        "good": signer.certificate,
        "garbage": _pem(b"no certificate"),
        "version6": _pem(der.replace(_VERSION_3, _VERSION_6, 1)),
        "unknownkey": _pem(der.replace(_RSA, _UNKNOWN_KEY, 1)),
    }
    return {certificate_path(name): pem for name, pem in named.items()}


def _pem(der: bytes) -> bytes:
    text = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


class _Server(ThreadingHTTPServer):
    source: EventSource


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        certificate = self.server.source.certificates.get(self.path)
        self._reply(200 if certificate else 404, certificate or b"")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].partition(".")[2]
        self._reply(200, json.dumps(self.server.source.answer(action, asked)).encode())

    def log_message(self, *_: Any) -> None:
        """Write no access log."""

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_event_source(port: int, webhook_url: str) -> Iterator[EventSource]:
    """Serve certificates and the queue in a thread until the end of the block."""
    server = _Server((LOOPBACK, port), _Handler)
    server.daemon_threads = True
    server.source = EventSource(f"http://{LOOPBACK}:{port}", webhook_url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.source
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
