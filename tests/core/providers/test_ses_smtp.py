"""The SES backend against a server on loopback that does exactly what each test says."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from functools import cache
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMessage as DjangoMessage
from django.core.mail import get_connection

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.providers import ses_smtp, timed_smtp
from apps.core.providers.base import Acceptance
from apps.core.providers.django_mail import DjangoMail
from tests.support import emails
from tests.support.emails import MESSAGE, NOT_VERIFIED
from tests.support.serving import serving
from tools.processes import free_ports

HANG_UP = "hang up"
SILENCE = "silence"
DRIP = "drip"
#: A reply of more than smtplib reads.
ENDLESS = "250 Ok " + "x" * 9000


class Server(socketserver.ThreadingTCPServer):
    """Speaks enough SMTP. `replies` overrides the answer to a command, or to the message ("."),
    by a reply line, HANG_UP, SILENCE or DRIP."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: dict[str, str] = {}
        self.connections: list[socket.socket] = []
        self.accepted: list[bytes] = []
        self.commands: list[str] = []
        self.released = threading.Event()
        self.closes_after_each = False


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.server.connections.append(self.connection)
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            self.server.commands.append(verb)
            default = {"EHLO": "250-me\r\n250 AUTH PLAIN", "DATA": "354 go", "AUTH": "235 ok"}
            if not self.say(self.server.replies.get(verb, default.get(verb, "250 Ok"))):
                return
            if verb == "DATA" and "DATA" not in self.server.replies:
                body = b""
                while (row := self.rfile.readline()) != b".\r\n":
                    body += row
                answer = self.server.replies.get(".", f"250 Ok id-{len(self.server.accepted)}")
                if answer.startswith("250"):
                    self.server.accepted.append(body)
                if not self.say(answer):
                    return
                if self.server.closes_after_each:
                    return

    def say(self, reply: str) -> bool:
        if reply == SILENCE:
            self.server.released.wait()
            return False
        if reply == HANG_UP:
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        if reply == DRIP:
            while not self.server.released.wait(0.05):
                self.wfile.write(b"2")
            return False
        self.wfile.write(reply.encode() + b"\r\n")
        return True


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    with serving(Server()) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.server_address[1]
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = "sandbox"
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_TIMEOUT = 30
        settings.DEFAULT_FROM_NAME = "RS Systems"
        settings.DEFAULT_FROM_EMAIL = "notifications@rssystems.com"
        settings.AWS_SES_CONFIGURATION_SET = "rs-systems-notifications"
        yield server
        server.released.set()


@pytest.fixture
def send(server: Server) -> Callable[[], Acceptance]:
    provider = cache(lambda: DjangoMail("apps.core.providers.ses_smtp.EmailBackend"))
    return lambda: emails.send(provider(), MESSAGE)


def test_the_message_id_of_the_reply_is_kept(
    send: Callable[[], Acceptance], server: Server
) -> None:
    assert send() == Acceptance("ses-smtp", "id-0")


def test_the_message_carries_tags_configuration_set_and_sender(
    send: Callable[[], Acceptance], server: Server
) -> None:
    send()
    mail = message_from_bytes(server.accepted[0], policy=policy.default)
    assert mail["From"] == "RS Systems <notifications@rssystems.com>"
    assert mail["Subject"] == MESSAGE.subject
    assert mail["X-SES-CONFIGURATION-SET"] == "rs-systems-notifications"
    assert mail["X-SES-MESSAGE-TAGS"] == (
        "delivery=0f8fad5b-d9cb-469f-a165-70867728950e, attempt=2"
    )
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Hello Jané" in text.get_content()
    assert "<p>Hello Jané</p>" in html.get_content()


def test_one_connection_serves_many_messages(
    send: Callable[[], Acceptance], server: Server
) -> None:
    for _ in range(5):
        send()
    assert len(server.connections) == 1
    assert server.commands.count("EHLO") == 1


def test_a_stale_idle_connection_is_replaced_before_the_message(
    send: Callable[[], Acceptance], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    send()
    monkeypatch.setattr(ses_smtp, "IDLE_S", -1.0)
    server.connections[0].shutdown(socket.SHUT_RDWR)
    assert send().message_id == "id-1"
    assert len(server.connections) == 2


def test_an_idle_connection_that_still_lives_is_used_again(
    send: Callable[[], Acceptance], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    send()
    monkeypatch.setattr(ses_smtp, "IDLE_S", -1.0)
    send()
    assert len(server.connections) == 1
    assert "NOOP" in server.commands


@pytest.mark.parametrize(("name", "value"), [("LIFETIME_S", -1.0), ("LIFETIME_MESSAGES", 1)])
def test_a_connection_is_replaced_after_its_lifetime(
    send: Callable[[], Acceptance],
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: float,
) -> None:
    monkeypatch.setattr(ses_smtp, name, value)
    send()
    send()
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("command", "reply", "expected"),
    [
        ("EHLO", HANG_UP, TransientError),
        ("EHLO", SILENCE, TransientError),
        ("AUTH", "535 Authentication Credentials Invalid", ChannelUnavailableError),
        ("AUTH", "454 Temporary authentication failure", TransientError),
        ("MAIL", "454 Throttling failure: Maximum sending rate exceeded", ThrottledError),
        ("MAIL", HANG_UP, TransientError),
        ("RCPT", "550 5.1.1 no such user", PermanentError),
        ("RCPT", SILENCE, TransientError),
        ("DATA", "451 Temporary service failure", TransientError),
        (".", "554 Message rejected: Email address is not verified.", ChannelUnavailableError),
        (".", f"{NOT_VERIFIED} region US-EAST-1: jane@fleet.example", PermanentError),
        (
            ".",
            f"{NOT_VERIFIED} region US-EAST-1: notifications@rssystems.com, jane@fleet.example",
            ChannelUnavailableError,
        ),
        (".", f"{NOT_VERIFIED} region US-EAST-1: x.jane@fleet.example", ChannelUnavailableError),
        (".", "554 Transaction failed", PermanentError),
        (".", "454 Throttling failure: Daily message quota exceeded", ChannelUnavailableError),
        ("EHLO", "554 no service here", ChannelUnavailableError),
        ("AUTH", "554 not now", ChannelUnavailableError),
        ("MAIL", "501 Invalid MAIL FROM address provided", ChannelUnavailableError),
        ("MAIL", ENDLESS, TransientError),
        (".", HANG_UP, AmbiguousError),
        (".", SILENCE, AmbiguousError),
    ],
)
def test_the_step_of_a_failure_decides_its_error(
    send: Callable[[], Acceptance],
    server: Server,
    settings: Any,
    command: str,
    reply: str,
    expected: type[Exception],
) -> None:
    if reply == SILENCE:
        settings.EMAIL_TIMEOUT = 1
    server.replies[command] = reply
    with pytest.raises(DeliveryError) as caught:
        send()
    assert type(caught.value) is expected
    assert server.accepted == []


def test_the_next_message_after_a_failure_goes_over_a_fresh_connection(
    send: Callable[[], Acceptance], server: Server
) -> None:
    server.replies["RCPT"] = "550 5.1.1 no such user"
    with pytest.raises(PermanentError):
        send()
    del server.replies["RCPT"]
    assert send().message_id == "id-0"
    assert len(server.connections) == 2


def test_a_time_limit_leaves_no_answer_for_the_next_message(
    send: Callable[[], Acceptance], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr("smtplib.SMTP.rcpt", interrupted)
        with pytest.raises(SoftTimeLimitExceeded):
            send()
    assert send().message_id == "id-0"
    assert len(server.connections) == 2


def test_an_acceptance_too_long_to_be_read_is_unknown(
    send: Callable[[], Acceptance], server: Server
) -> None:
    server.replies["."] = ENDLESS
    with pytest.raises(AmbiguousError):
        send()
    assert len(server.accepted) == 1


def test_a_server_that_closes_after_each_message_costs_no_failure(
    send: Callable[[], Acceptance], server: Server
) -> None:
    server.closes_after_each = True
    assert [send().message_id for _ in range(3)] == ["id-0", "id-1", "id-2"]
    assert len(server.connections) == 3


def test_a_server_that_announces_its_end_costs_no_failure(
    send: Callable[[], Acceptance], server: Server
) -> None:
    send()
    server.replies["MAIL"] = "421 too many messages on this connection"
    with pytest.raises(ThrottledError):
        send()
    assert len(server.connections) == 2, "it was asked again, over a new connection"


@pytest.mark.parametrize(
    ("command", "expected"),
    [("EHLO", TransientError), ("MAIL", TransientError), (".", AmbiguousError)],
)
def test_an_answer_that_drips_ends_with_the_dialogue_s_time(
    send: Callable[[], Acceptance],
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    expected: type[Exception],
) -> None:
    monkeypatch.setattr(ses_smtp, "DIALOGUE_S", 0.5)
    monkeypatch.setattr(timed_smtp, "OPENING_S", 0.5)
    server.replies[command] = DRIP
    with pytest.raises(DeliveryError) as caught:
        send()
    assert type(caught.value) is expected


def test_a_server_without_auth_and_tls_hears_ehlo(server: Server, settings: Any) -> None:
    """As Mailpit and local relays are; aiosmtpd refuses MAIL before EHLO."""
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    received: list[Any] = []

    class Keep:
        async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
            received.append(envelope)
            return "250 OK"

    relay = Controller(Keep(), hostname="127.0.0.1", port=free_ports(1)[0])
    relay.start()
    try:
        settings.EMAIL_PORT = relay.port
        provider = DjangoMail("apps.core.providers.ses_smtp.EmailBackend")
        for _ in range(2):
            emails.send(provider, MESSAGE)
    finally:
        relay.stop()
    assert [each.rcpt_tos for each in received] == [[MESSAGE.to]] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"EMAIL_HOST_PASSWORD": "p\u00e4ssword"},
        {"EMAIL_HOST_USER": "\u00fcser"},
        {"EMAIL_HOST": ".example.com"},
        {"EMAIL_HOST": "a" * 70 + ".example"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_encoded_stop_the_channel_and_are_not_quoted(
    send: Callable[[], Acceptance], server: Server, settings: Any, change: dict[str, str]
) -> None:
    for name, value in change.items():
        setattr(settings, name, value)
    with pytest.raises(ChannelUnavailableError) as caught:
        send()
    assert not any(value in caught.value.detail for value in change.values())
    assert "MAIL" not in server.commands


def test_a_failure_that_is_to_be_silent_is_silent(server: Server, settings: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = closed.getsockname()[1]
        assert mail_admins_silently() == 0


def mail_admins_silently() -> int:
    backend = "apps.core.providers.ses_smtp.EmailBackend"
    connection = get_connection(backend, fail_silently=True)
    return int(connection.send_messages([DjangoMessage("x", "x", to=["admin@fleet.example"])]) or 0)


def test_a_refused_connection_is_transient(
    send: Callable[[], Acceptance], server: Server, settings: Any
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = closed.getsockname()[1]
        with pytest.raises(TransientError):
            emails.send(DjangoMail("apps.core.providers.ses_smtp.EmailBackend"), MESSAGE)


def test_with_django_s_smtp_backend_a_lost_answer_is_ambiguous(server: Server) -> None:
    provider = DjangoMail("django.core.mail.backends.smtp.EmailBackend")
    assert emails.send(provider, MESSAGE) == Acceptance("smtp")
    server.replies["."] = HANG_UP
    with pytest.raises(AmbiguousError):
        emails.send(provider, MESSAGE)
