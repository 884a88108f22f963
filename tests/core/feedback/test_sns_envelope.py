import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError

from apps.core.exceptions import ChannelUnavailableError
from apps.core.feedback import provider_events, sns_envelope, sns_messages
from apps.core.feedback.sns_envelope import TryAgainLater, UntrustedMessage, verify
from apps.core.models import ProviderEvent
from tests.support.serving import serving
from tests.support.signing import CERTIFICATE_URL, TOPIC, Signer
from tools.processes import LOOPBACK

pytestmark = pytest.mark.usefixtures("fetched")

fetch = sns_envelope._fetch


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_signature_versions_are_accepted(signer: Signer, version: str) -> None:
    envelope = verify(signer.notification("hello", version=version).encode())
    assert (envelope.message, envelope.topic_arn) == ("hello", TOPIC)


def test_china_has_a_domain_of_its_own(signer: Signer, settings: Any) -> None:
    topic = TOPIC.replace("arn:aws:", "arn:aws-cn:").replace("us-east-1", "cn-north-1")
    settings.AWS_EVENT_TOPIC_ARNS = [topic]
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-ab.pem"
    body = signer.notification("hello", TopicArn=topic, SigningCertURL=url)
    assert verify(body.encode()).message == "hello"


def test_a_message_without_a_subject_is_signed_without_one(signer: Signer) -> None:
    assert verify(signer.notification("hello", Subject=None).encode()).message == "hello"


def test_letters_of_every_script_are_signed_as_they_are(signer: Signer) -> None:
    text = 'Zoë "quoted"\n配達済み 🚚'
    assert verify(signer.notification(text).encode()).message == text


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "Token"])
def test_an_altered_message_is_refused(signer: Signer, field: str) -> None:
    body = signer.confirmation() if field == "Token" else signer.notification("hello")
    fields = json.loads(body)
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    fields[field] = later if field == "Timestamp" else fields[field] + "x"
    with pytest.raises(UntrustedMessage, match="signature is wrong"):
        verify(json.dumps(fields).encode())


def test_a_signature_of_one_version_is_invalid_as_the_other(signer: Signer) -> None:
    fields = json.loads(signer.notification("hello", version="1"))
    with pytest.raises(UntrustedMessage, match="signature is wrong"):
        verify(json.dumps({**fields, "SignatureVersion": "2"}).encode())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"TopicArn": "arn:aws:sns:us-east-1:999999999999:theirs"}, "topic"),
        ({"TopicArn": TOPIC + "x"}, "topic"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("https:", "http:")}, "certificate"),
        ({"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/S.pem"}, "certif"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("sns.", "evilsns.")}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("sns.", "evil.sns.")}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.co")}, "certif"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("https://", "https://u@")}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com:8443/")}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL + "?x=1"}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("/Simple", "/a/../Simple")}, "certificate"),
        ({"SigningCertURL": "https://bucket.s3.amazonaws.com/sns.pem"}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("us-east-1", "s3-us-west-2")}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("us-east-1", "eu-west-1")}, "certificate"),
        ({"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com.cn/")}, "certificate"),
        ({"SigningCertURL": "https://[::1/S.pem"}, "certificate"),
        ({"SigningCertURL": "file:///etc/passwd"}, "certificate"),
    ],
)
def test_a_foreign_topic_or_certificate_is_refused_without_a_fetch(
    signer: Signer, fetched: list[str], changes: Any, reason: str
) -> None:
    with pytest.raises(UntrustedMessage, match=reason):
        verify(signer.notification("hello", **changes).encode())
    assert fetched == []


@pytest.mark.parametrize(
    ("age", "reason"), [(timedelta(minutes=76), "old"), (timedelta(minutes=-6), "future")]
)
def test_a_message_out_of_its_time_is_refused(signer: Signer, age: timedelta, reason: str) -> None:
    with pytest.raises(UntrustedMessage, match=reason):
        verify(signer.notification("hello", age=age).encode())


def test_a_queue_keeps_messages_for_longer_than_an_endpoint_is_tried(signer: Signer) -> None:
    body = signer.notification("hello", age=timedelta(days=3)).encode()
    assert verify(body, oldest=None).message == "hello"


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"null", b"{}", b"\xff\xfe", b'{"Type": "Notification"}', b"[" * 10_000],
)
def test_what_is_no_sns_message_is_refused(body: bytes) -> None:
    with pytest.raises(UntrustedMessage, match="it is no"):
        verify(body)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Type", "Else"), ("SignatureVersion", "3"), ("Timestamp", "now"), ("Message", 5)],
)
def test_a_field_that_is_not_as_documented_is_named(signer: Signer, name: str, value: Any) -> None:
    fields = {**json.loads(signer.notification("hello")), name: value}
    with pytest.raises(UntrustedMessage, match=f"no SNS message: {name}"):
        verify(json.dumps(fields).encode())


def test_an_oversized_body_is_refused(signer: Signer) -> None:
    with pytest.raises(UntrustedMessage, match="too large"):
        verify(signer.notification("x" * sns_envelope.MAX_BYTES).encode())


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)])
def test_a_certificate_out_of_date_is_fetched_again_the_next_time(
    signer: Signer, monkeypatch: pytest.MonkeyPatch, days: tuple[int, int]
) -> None:
    certificates = [signer.certificate, signer.certificate_of_days(*days)]
    monkeypatch.setattr(sns_envelope, "_fetch", lambda _: certificates.pop())
    body = signer.notification("hello").encode()
    with pytest.raises(TryAgainLater, match="out of date"):
        verify(body)
    assert verify(body).message == "hello"


def test_half_a_certificate_is_not_remembered(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = [signer.certificate, signer.certificate[:500], b"<html>"]
    monkeypatch.setattr(sns_envelope, "_fetch", lambda _: certificates.pop())
    body = signer.notification("hello").encode()
    for _ in range(2):
        with pytest.raises(TryAgainLater, match="cannot be read"):
            verify(body)
    assert verify(body).message == "hello"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve a certificate on this machine, fetched for real and trusted."""
    monkeypatch.setattr(sns_envelope, "_fetch", fetch)
    with serving(Server()) as server:
        settings.SNS_TRUST_SANDBOX, settings.SANDBOX_URL = True, server.url
        yield server


def at(server: Server) -> Any:
    return {"SigningCertURL": f"{server.url}/SimpleNotificationService-abc.pem"}


def test_a_trusted_sandbox_s_certificate_is_fetched_once(signer: Signer, sandbox: Server) -> None:
    sandbox.answer = (200, {}, signer.certificate)
    for _ in range(3):
        verify(signer.notification("hello", **at(sandbox)).encode())
    assert sandbox.asked == ["/SimpleNotificationService-abc.pem"]


def test_the_sandbox_is_not_trusted_by_default(
    signer: Signer, sandbox: Server, settings: Any
) -> None:
    settings.SNS_TRUST_SANDBOX = False
    with pytest.raises(UntrustedMessage, match="certificate is not at SNS"):
        verify(signer.notification("hello", **at(sandbox)).encode())
    assert sandbox.asked == []


def test_a_redirect_is_not_followed(signer: Signer, sandbox: Server) -> None:
    sandbox.answer = (302, {"Location": f"{sandbox.url}/elsewhere"}, b"")
    with pytest.raises(UntrustedMessage, match="no such certificate: 302"):
        verify(signer.notification("hello", **at(sandbox)).encode())
    assert sandbox.asked == ["/SimpleNotificationService-abc.pem"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_certificate_that_sns_does_not_have_is_refused_for_good(
    signer: Signer, sandbox: Server, post: Callable[..., Any], status: int
) -> None:
    sandbox.answer = (status, {}, b"")
    assert post(signer.notification("{}", **at(sandbox))).status_code == 403
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_certificate_that_did_not_come_is_fetched_again(
    signer: Signer, sandbox: Server, post: Callable[..., Any], status: int
) -> None:
    body = signer.notification("no event", **at(sandbox))
    sandbox.answer = (status, {}, b"")
    assert post(body).status_code == 503, "so that SNS sends it again"
    sandbox.answer = (200, {}, signer.certificate)
    assert post(body).status_code == 200


def test_the_endpoint_refuses_with_a_4xx_and_writes_nothing(
    signer: Signer, post: Callable[..., Any], fetched: list[str]
) -> None:
    for body in ("", "{}", signer.notification("hello", TopicArn="arn:aws:sns:theirs")):
        answer = post(body)
        assert answer.status_code == 403
        assert answer.content.startswith(b"refused: ")
    assert not ProviderEvent.objects.exists()
    assert fetched == []


def test_the_endpoint_accepts_only_posts_and_needs_no_csrf_token(client: Any, db: None) -> None:
    from django.test import Client

    assert client.get("/webhooks/aws/sns").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/webhooks/aws/sns", "{}", content_type="text/plain")
    assert answer.content.startswith(b"refused: it is no SNS message")


def test_without_a_database_sns_is_asked_to_repeat_and_none_is_mailed(
    signer: Signer, post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    def broken(_: Any) -> None:
        raise OperationalError("DETAIL: Failing row contains (jane@fleet.example)")

    monkeypatch.setattr(provider_events, "receive", broken)
    event = '{"eventType": "Open", "mail": {}}'
    assert post(signer.notification(event)).status_code == 503
    assert mail.outbox == []


def test_django_s_mail_to_the_administrators_is_redacted(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    logging.getLogger("django.request").error("of jane@fleet.example")
    (told,) = mail.outbox
    assert "of j***@fleet.example" in str(told.subject)
    assert "jane" not in f"{told.subject} {told.body}"


@pytest.fixture
def confirmed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(sns_messages, "confirm_subscription", lambda *call: calls.append(call))
    return calls


def test_a_subscription_to_a_topic_of_ours_is_confirmed_by_its_token(
    signer: Signer, post: Callable[..., Any], confirmed: list[tuple[str, str]], fetched: list[str]
) -> None:
    assert post(signer.confirmation()).status_code == 200
    assert confirmed == [(TOPIC, "2336412f37")]
    assert fetched == [CERTIFICATE_URL], "and the address that it brought is not visited"


def test_a_subscription_to_another_topic_is_not_confirmed(
    signer: Signer, post: Callable[..., Any], confirmed: list[tuple[str, str]]
) -> None:
    body = signer.confirmation(TopicArn="arn:aws:sns:us-east-1:999999999999:theirs")
    assert post(body).status_code == 403
    assert confirmed == []


def test_a_failed_confirmation_is_asked_for_again(
    signer: Signer, post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: str) -> None:
        raise ChannelUnavailableError("not authorized")

    monkeypatch.setattr(sns_messages, "confirm_subscription", fail)
    assert post(signer.confirmation()).status_code == 503


def test_the_end_of_the_subscription_is_logged_as_an_error(
    signer: Signer,
    post: Callable[..., Any],
    confirmed: list[tuple[str, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert post(signer.confirmation("UnsubscribeConfirmation")).status_code == 200
    assert confirmed == []
    assert "subscription ended, no more events come" in caplog.text


def test_a_certificate_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sns_envelope, "CERTIFICATE_TIMEOUT_S", 0.5)

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                # Until the client hangs up.
                while self.wfile.write(b"-"):
                    sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    with (
        serving(ThreadingHTTPServer((LOOPBACK, 0), Dripping)) as server,
        pytest.raises(TimeoutError, match="too slowly"),
    ):
        fetch(f"http://{LOOPBACK}:{server.server_port}/certificate.pem")
