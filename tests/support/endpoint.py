"""An AWS endpoint on loopback that answers what the test tells it to."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from .serving import serving

SILENCE = "silence"
HANG_UP = "hang up"


class Answer(NamedTuple):
    status: int
    body: str
    headers: Mapping[str, str] = {}


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        #: An answer, SILENCE or HANG_UP.
        self.answer: Answer | str = answer
        #: The requests' bodies, in order.
        self.bodies: list[bytes] = []
        #: Whether each request was signed.
        self.signed: list[bool] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.signed.append("Authorization" in self.headers)
        if self.server.answer == SILENCE:
            self.server.released.wait()
        if not isinstance(self.server.answer, Answer):
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body, headers = self.server.answer
        self.send_response(status)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())
        self.close_connection = headers.get("Connection") == "close"

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running_endpoint(answer: Answer) -> Iterator[Endpoint]:
    with serving(Endpoint(answer)) as server:
        yield server
        server.released.set()
