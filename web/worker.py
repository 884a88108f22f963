"""gunicorn's threaded worker, with limits on the time and size of a request.

gunicorn gives a thread to each connection and waits there for the rest of the request, without a
limit: as many half-sent requests as there are threads stop the site.
"""

import re
import select
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.workers import gthread

from .limits import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MOST_CHUNKS,
    REQUEST_S,
    TOO_LARGE,
    max_body_bytes,
)

_DEFER: Any = gthread._DEFER
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_PATH = re.compile(rb"[A-Z]+ ([^ ?]*)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"[0-9a-f]{1,8}", re.IGNORECASE)
_READ_BYTES = 64 * 1024
#: Seconds for which a client may go on sending after its last answer. If the connection were closed
#: at once, the answer might be lost (RFC 9112, 9.6).
LINGER_S = 2.0


class TooLarge(Exception):
    """The request is above a limit. The text is the status of the answer."""


class Incoming:
    """One request while it arrives."""

    def __init__(self, received: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        self.received = bytearray(received)
        self._clock = clock
        self.deadline = clock() + REQUEST_S
        #: Where the next chunk of a chunked body begins, and how many came before.
        self._chunk_at = self._chunks = 0

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
        body_bytes = len(self.received) - end - len(_END_OF_HEAD)
        if _CHUNKED.search(head):
            if body_bytes > MAX_BODY_BYTES:
                raise TooLarge("413 Content Too Large")
            return self._has_last_chunk(end + len(_END_OF_HEAD))
        path = _PATH.match(head)
        most = max_body_bytes(path[1].decode("latin-1") if path else "")
        length = _LENGTH.search(head)
        announced = int(length[1]) if length else 0
        if announced > most:
            raise TooLarge("413 Content Too Large")
        return body_bytes >= announced

    def _has_last_chunk(self, body_at: int) -> bool:
        """Return whether the chunks have arrived up to the last one, or to one that is wrong.

        Raises TooLarge.
        """
        at = max(self._chunk_at, body_at)
        while (line_end := self._find(b"\r\n", at)) >= 0:
            size = _CHUNK_SIZE.match(self.received, at, line_end)
            if size is None:
                # gunicorn refuses it.
                return True
            if not int(size[0], 16):
                # Trailers may follow; an empty line ends them.
                return self._find(_END_OF_HEAD, line_end) >= 0
            at = self._chunk_at = line_end + 2 + int(size[0], 16) + 2
            self._chunks += 1
            if self._chunks > MOST_CHUNKS:
                raise TooLarge("413 Content Too Large")
        return False

    def _find(self, end: bytes, at: int) -> int:
        """Return where a chunk's line or the trailers end, or -1 if not yet. Raises TooLarge."""
        found = self.received.find(end, at, at + MAX_HEAD_BYTES)
        if found < 0 and len(self.received) - at >= MAX_HEAD_BYTES:
            # All of it would be searched again with every byte that arrives.
            raise TooLarge("431 Request Header Fields Too Large")
        return found


class Worker(gthread.ThreadWorker):
    """Give a thread to a request when all of it has arrived. gunicorn.conf.py names this class."""

    def init_process(self) -> None:
        #: Connections that are closed when their client closes, or after LINGER_S.
        self._leaving: deque[Any] = deque()
        super().init_process()

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
        if fs.exception() or not fs.result():
            self._leave(conn)
            return
        super().finish_request(conn, fs)
        if getattr(conn, "incoming", None):
            # gunicorn's own time-out would begin again with every byte.
            conn.timeout = conn.incoming.deadline

    def murder_pending(self) -> None:
        super().murder_pending()
        while self._leaving and self._leaving[0].timeout < time.monotonic():
            self._end(self._leaving[0])

    def _leave(self, conn: Any) -> None:
        """End an answered connection. gunicorn would wait for the client in its only main loop."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout = time.monotonic() + LINGER_S
        self._leaving.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))

    def _discard(self, conn: Any, connection: socket.socket) -> None:
        """Discard what a client still sends."""
        try:
            if connection.recv(_READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(conn)

    def _end(self, conn: Any) -> None:
        self._leaving.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


def _incoming(conn: Any) -> Incoming:
    if not getattr(conn, "incoming", None):
        # A client may send its next request together with the end of the previous one.
        early = conn.parser.unreader.take_buffered() if conn.parser else b""
        conn.incoming = Incoming(early)
    found: Incoming = conn.incoming
    return found


def _limit_waiting(connection: socket.socket) -> None:
    """Let the kernel end each wait, because gunicorn removes Python's own time-out.

    The request is complete. If gunicorn reads its head in another way than we do and wants more, it
    gets an error at once.
    """
    for option, seconds, microseconds in (
        (socket.SO_RCVTIMEO, 0, 1),
        (socket.SO_SNDTIMEO, int(REQUEST_S), 0),
    ):
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, microseconds))


def _refuse(connection: socket.socket, status: str) -> None:
    answer = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(TOO_LARGE)}\r\n\r\n{TOO_LARGE}"
    )
    try:
        connection.send(answer.encode(), socket.MSG_DONTWAIT)
    except OSError:
        return
