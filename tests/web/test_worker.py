"""The site as gunicorn runs it: slow, large and chunked requests, and the access log."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from apps.core.services import logos
from rs_systems.wsgi import read_body
from tests.support.services import Site
from tools.processes import LOOPBACK, wait_until
from web.limits import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_PHOTO_BODY_BYTES,
    MAX_UPLOAD_BYTES,
    MOST_CHUNKS,
    REQUEST_S,
    TOO_LARGE,
    max_body_bytes,
)
from web.worker import LINGER_S, Incoming, TooLarge, _limit_waiting

#: As `Site` starts gunicorn.
THREADS = 4
WAIT_S = 60.0
FORM = "application/x-www-form-urlencoded"
PASSWORD = "correct-horse-battery"


@pytest.fixture
def site(transactional_db: None, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.start()
    yield site
    site.stop()


def ask(site: Site, method: str, path: str, **more: Any) -> HTTPResponse:
    connection = HTTPConnection(LOOPBACK, site.port, timeout=WAIT_S)
    connection.request(method, path, **more)
    return connection.getresponse()


def connect(site: Site, sent: bytes) -> socket.socket:
    connection = socket.create_connection((LOOPBACK, site.port), timeout=WAIT_S)
    connection.sendall(sent)
    return connection


def read(connection: socket.socket) -> bytes:
    """Return all that comes until the site closes the connection."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


def chunks(body: bytes) -> Iterator[bytes]:
    yield body[:5]
    yield body[5:]


@pytest.mark.services
def test_a_chunked_form_is_read(site: Site) -> None:
    User.objects.create_user("jane", password=PASSWORD)
    page = ask(site, "GET", "/login/")
    cookie = (page.getheader("Set-Cookie") or "").partition(";")[0]
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode()))
    form = {"csrfmiddlewaretoken": token, "username": "jane", "password": PASSWORD}
    answer = ask(
        site,
        "POST",
        "/login/",
        body=chunks(urlencode(form).encode()),
        headers={"Cookie": cookie, "Content-Type": FORM},
        encode_chunked=True,
    )
    assert (answer.status, answer.getheader("Location")) == (302, "/")


@pytest.mark.services
def test_a_chunked_event_is_read(site: Site) -> None:
    event = b'{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:000000000000:other"}'
    path = "/webhooks/aws/sns"
    whole = ask(site, "POST", path, body=event).read()
    chunked = ask(site, "POST", path, body=chunks(event), encode_chunked=True).read()
    assert chunked == whole
    assert chunked != ask(site, "POST", path, body=b"").read()


HALVES = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ",
    "half a body": b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\na=",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50\r\na=",
    "a chunk that ends as a body does": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nab\r\n\r\n"
    ),
    "a length with zeros before it": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0000000000000000000000000100\r\n\r\na="
    ),
}


@pytest.mark.services
def test_half_sent_requests_hold_no_thread_and_are_closed(site: Site) -> None:
    with ExitStack() as opened:
        slow = [
            opened.enter_context(closing(connect(site, half)))
            for half in HALVES.values()
            for _ in range(THREADS * 2)
        ]
        for _ in range(THREADS * 2):
            assert ask(site, "GET", "/healthz").status == 200
        # The site closes each of them.
        assert [connection.recv(1) for connection in slow] == [b""] * len(slow)


ENDED = {
    "answered": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "refused by gunicorn": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "too large": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n",
}


@pytest.mark.services
def test_clients_that_do_not_close_after_their_answer_hold_nobody_up(site: Site) -> None:
    ask(site, "GET", "/healthz")
    with ExitStack() as opened:
        left = [
            opened.enter_context(closing(connect(site, request)))
            for request in ENDED.values()
            for _ in range(THREADS * 2)
        ]
        began = time.monotonic()
        assert ask(site, "GET", "/healthz").status == 200
        assert time.monotonic() - began < len(left) * LINGER_S / 4
        # Each has its answer, and its connection ends.
        assert [read(connection)[:9] for connection in left] == [b"HTTP/1.1 "] * len(left)


@pytest.mark.services
def test_a_client_that_is_still_sending_reads_why_it_was_refused(site: Site) -> None:
    head = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n"
    with closing(connect(site, head)) as connection:
        connection.sendall(b"a" * 1_000_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.services
def test_a_large_upload_is_refused_before_it_is_sent(site: Site) -> None:
    head = (
        "POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with closing(connect(site, head.encode())) as connection:
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.decode().endswith(TOO_LARGE)


@pytest.mark.services
def test_requests_that_come_together_are_all_answered(site: Site) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    last = request % b"Connection: close\r\n"
    with closing(connect(site, request % b"" * 2 + last[:20])) as connection:
        connection.sendall(last[20:])
        answers = read(connection)
    assert answers.count(b"HTTP/1.1 200 ") == 3


@pytest.mark.services
def test_the_access_log_has_no_query_string(site: Site, tmp_path: Path) -> None:
    site.stop()
    site.start(GUNICORN_CMD_ARGS="--access-logfile=-")
    ask(
        site,
        "GET",
        "/login/?q=%2B12025550123&next=jane@fleet.example",
        headers={"Referer": "http://localhost/?q=tom@fleet.example"},
    )
    log = tmp_path / "site.log"
    wait_until(lambda: '"GET /login/ HTTP/1.1" 200' in log.read_text(), "the request is logged")
    assert not re.search(r"12025550123|fleet\.example", log.read_text())
    ask(site, "GET", "/x%0a127.0.0.1%20forged/%C3%BC")
    wait_until(
        lambda: '"GET /x%0a127.0.0.1%20forged/%C3%BC HTTP/1.1" 404' in log.read_text(),
        "the path is logged",
    )
    assert "\n127.0.0.1 forged" not in log.read_text()


# --- Without a server ---------------------------------------------------------------------------
def test_a_request_is_late_however_slowly_it_drips() -> None:
    now = 0.0
    incoming = Incoming(clock=lambda: now)
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        for byte in b"GET / HTTP/1.1\r\n":
            theirs.send(bytes([byte]))
            assert incoming.receive(ours)
            now += 1.0
    assert incoming.is_late()
    assert not incoming.is_complete()
    assert now > REQUEST_S


def test_a_worker_that_stops_waits_for_the_rest_of_a_request() -> None:
    incoming = Incoming()
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.send(b"GET / HTTP/1.1\r\n")
        with ThreadPoolExecutor(1) as worker:
            received = worker.submit(incoming.receive_all, ours)
            wait_until(lambda: incoming.received, "the first half has arrived")
            theirs.send(b"Host: x\r\n\r\n")
            assert received.result(WAIT_S)
    assert incoming.is_complete()


LENGTH = b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n"
UPLOAD = LENGTH.replace(b"/", b"/office/brand/?a=b", 1)
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "is_complete"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (LENGTH % 2 + b"a", False),
        (LENGTH % 2 + b"ab", True),
        (LENGTH % 2 + b"abGET / HTTP", True),
        (UPLOAD % MAX_UPLOAD_BYTES, False),
        (CHUNKED, False),
        (CHUNKED + b"2\r\nab\r\n", False),
        (CHUNKED + b"6\r\nab\r\n\r\n", False),
        (CHUNKED + b"6\r\nab\r\n\r\n\r\n0\r\n\r\n", True),
        (CHUNKED + b"5\r\n0\r\n\r\n\r\n", False),
        (CHUNKED + b"0\r\nX-Trailer: 1\r\n", False),
        (CHUNKED + b"nonsense\r\n", True),
        (LENGTH.replace(b"%d", b"0" * 30 + b"2") + b"a", False),
        (CHUNKED + b"2\r\nab\r\n0\r\n\r\n", True),
        (CHUNKED + b"0\r\n\r\n", True),
        (CHUNKED + b"0\r\nX-Trailer: 1\r\n\r\n", True),
        (CHUNKED + b"1\r\na\r\n" * MOST_CHUNKS + b"0\r\n\r\n", True),
    ],
)
def test_a_request_is_complete_with_its_last_byte(received: bytes, is_complete: bool) -> None:
    assert Incoming(received).is_complete() is is_complete


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (b"GET /" + b"a" * MAX_HEAD_BYTES, "431"),
        (CHUNKED + b"1;" + b"a" * MAX_HEAD_BYTES, "431"),
        (CHUNKED + b"0\r\n" + b"X: a\r\n" * MAX_HEAD_BYTES, "431"),
        (LENGTH % (MAX_BODY_BYTES + 1), "413"),
        (CHUNKED + b"a" * (MAX_BODY_BYTES + 1), "413"),
        (CHUNKED.replace(b"/", b"/repairs/new/", 1) + b"a" * (MAX_BODY_BYTES + 1), "413"),
        (CHUNKED + b"1\r\na\r\n" * (MOST_CHUNKS + 1), "413"),
        (UPLOAD % (MAX_UPLOAD_BYTES + 1), "413"),
        ((UPLOAD % (MAX_BODY_BYTES + 1)).replace(b"/office", b"/a?/office"), "413"),
    ],
)
def test_a_request_above_a_limit_is_refused(received: bytes, status: str) -> None:
    with pytest.raises(TooLarge, match=status):
        Incoming(received).is_complete()


def test_a_chunked_body_is_complete_however_it_is_cut() -> None:
    body = CHUNKED + b"6\r\nab\r\n\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n"
    incoming = Incoming()
    found = []
    for byte in body:
        incoming.received.append(byte)
        found.append(incoming.is_complete())
    assert found.index(True) == len(body) - 1


def test_a_thread_waits_for_no_byte_of_a_request() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        _limit_waiting(ours)
        with pytest.raises(BlockingIOError):
            ours.recv(1)


PHOTO = LENGTH.replace(b"/", b"/repairs/7/photos/", 1)


def test_a_form_with_a_photo_may_be_larger_than_others() -> None:
    assert not Incoming(PHOTO % MAX_PHOTO_BODY_BYTES).is_complete()
    with pytest.raises(TooLarge, match="413"):
        Incoming(PHOTO % (MAX_PHOTO_BODY_BYTES + 1)).is_complete()


@pytest.mark.parametrize(
    ("path", "is_larger"),
    [
        ("/repairs/new/", True),
        ("/repairs/7/photos/", True),
        ("/repairs/7/estimate/", True),
        ("/repairs/7/complete/", True),
        ("/repairs/7/", False),
        ("/repairs/7/photos/a/remove/", False),
        ("/repairs/%37/photos/", False),
        ("/login/", False),
        ("", False),
    ],
)
def test_only_forms_with_a_photo_have_the_larger_limit(path: str, is_larger: bool) -> None:
    limit = MAX_PHOTO_BODY_BYTES if is_larger else MAX_BODY_BYTES
    assert max_body_bytes(path) == limit


def answer(body: bytes, **environ: Any) -> tuple[str, bytes]:
    """Return the status and body of an application that answers with what it received."""
    statuses: list[str] = []

    def echo(environ: dict[str, Any], start_response: Callable[..., None]) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]

    application = read_body(echo)
    environ = {"wsgi.input": BytesIO(body), **environ}
    said = application(environ, lambda status, headers: statuses.append(status))
    return statuses[0], b"".join(said)


def test_any_server_s_request_has_a_length_and_a_limit() -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert answer(b"body", **chunked) == ("200 OK", b"body")
    assert answer(b"body", CONTENT_LENGTH="4") == ("200 OK", b"body")
    assert answer(b"a" * (MAX_BODY_BYTES + 1), **chunked)[0].startswith("413 ")
    too_large = {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)}
    assert answer(b"", **too_large) == ("413 Content Too Large", f"{TOO_LARGE}\n".encode())
    assert answer(b"", PATH_INFO="/office/brand/", **too_large)[0] == "200 OK"
    assert answer(b"", HTTP_TRANSFER_ENCODING="chunked")[0].startswith("411 ")
    large = {"PATH_INFO": "/repairs/new/", "CONTENT_LENGTH": str(MAX_PHOTO_BODY_BYTES)}
    assert answer(b"a", **large)[0] == "200 OK"


def test_the_pages_that_take_a_file_have_the_larger_limit() -> None:
    for path in (
        reverse("office:brand"),
        reverse("office:company-brand", args=["company:1"]),
        reverse("office:preview-brand"),
    ):
        assert max_body_bytes(path) == MAX_UPLOAD_BYTES > logos.MOST_BYTES
