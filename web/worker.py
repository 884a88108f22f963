"""gunicorn's threaded worker, with limits on the time and size of a request.

gunicorn gives a thread to each connection and waits there for the rest of the request, without a
limit: as many half-sent requests as there are threads stop the site.
"""

import re
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers import gthread

from .limits import MAX_HEAD_BYTES, REQUEST_S, most_body_bytes

_DEFER: Any = gthread._DEFER
_END_OF_HEAD = b"\r\n\r\n"
_PATH = re.compile(rb"[A-Z]+ ([^ ?]*)")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_READ_BYTES = 64 * 1024


class TooLarge(Exception):
    """The request is above a limit. The text is the status of the answer."""


class Incoming:
    """One request while it arrives."""

    def __init__(self, received: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        self.received = bytearray(received)
        self._clock = clock
        self.deadline = clock() + REQUEST_S

    def receive(self, connection: socket.socket) -> bool:
        """Take what has arrived, without waiting. Return False if the client closed."""
        while not self.is_complete():
            try:
                part = connection.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            if not part:
                return False
            self.received += part
        return True

    def receive_all(self, connection: socket.socket) -> bool:
        """Wait for the whole request, until its deadline. Return False if the client closed."""
        is_open = self.receive(connection)
        while is_open and not self.is_complete() and not self.is_late():
            select.select([connection], [], [], max(0.0, self.deadline - self._clock()))
            is_open = self.receive(connection)
        return is_open

    def is_late(self) -> bool:
        return self._clock() > self.deadline

    def is_complete(self) -> bool:
        """Return whether gunicorn can read the whole request without waiting. Raises TooLarge."""
        end = self.received.find(_END_OF_HEAD)
        if max(end, 0) > MAX_HEAD_BYTES or (end < 0 and len(self.received) > MAX_HEAD_BYTES):
            raise TooLarge("431 Request Header Fields Too Large")
        if end < 0:
            return False
        head = bytes(self.received[: end + 2])
        path = _PATH.match(head)
        most = most_body_bytes(path[1].decode("latin-1") if path else "")
        body_bytes = len(self.received) - end - len(_END_OF_HEAD)
        if _CHUNKED.search(head):
            if body_bytes > most:
                raise TooLarge("413 Content Too Large")
            # A chunked body ends with an empty line. If a chunk happens to end so too, the thread
            # waits for the rest, for REQUEST_S at most.
            return body_bytes > 0 and self.received.endswith(_END_OF_HEAD)
        length = _LENGTH.search(head)
        announced = int(length[1]) if length else 0
        if announced > most:
            raise TooLarge("413 Content Too Large")
        return body_bytes >= announced


class Worker(gthread.ThreadWorker):
    """Give a thread to a request when all of it has arrived. gunicorn.conf.py names this class."""

    def handle(self, conn: Any) -> Any:
        incoming = _incoming(conn)
        try:
            # A worker that stops polls no connection again, so it waits here.
            receive = incoming.receive if self.alive else incoming.receive_all
            is_open = receive(conn.sock)
            if not incoming.is_complete():
                return _DEFER if is_open and not incoming.is_late() else False
        except TooLarge as answer:
            _refuse(conn.sock, str(answer))
            return False
        except OSError:
            return False
        conn.incoming = None
        _limit_waiting(conn.sock)
        conn.init()
        conn.parser.unreader.unread(bytes(incoming.received))
        return super().handle(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        super().finish_request(conn, fs)
        if getattr(conn, "incoming", None):
            # gunicorn's own time-out would begin again with every byte.
            conn.timeout = conn.incoming.deadline


def _incoming(conn: Any) -> Incoming:
    if not getattr(conn, "incoming", None):
        # A client may send its next request together with the end of the previous one.
        early = conn.parser.unreader.take_buffered() if conn.parser else b""
        conn.incoming = Incoming(early)
    found: Incoming = conn.incoming
    return found


def _limit_waiting(connection: socket.socket) -> None:
    """Let the kernel end each wait, because gunicorn removes Python's own time-out."""
    limit = struct.pack("ll", int(REQUEST_S), 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _refuse(connection: socket.socket, status: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    try:
        connection.send(answer.encode(), socket.MSG_DONTWAIT)
    except OSError:
        return
