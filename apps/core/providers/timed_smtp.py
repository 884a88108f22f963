"""SMTP connections with a deadline for a whole dialogue, not for each piece of an answer."""

import io
import smtplib
import time
from typing import Any

#: Seconds for the greeting, TLS and the login together.
OPENING_S = 10.0


class _Timed:
    """Read and write until `deadline`, in seconds of the monotonic clock.

    smtplib's time-out starts again with each byte, so an answer that drips could hold a worker.
    """

    sock: Any
    file: Any
    timeout: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.deadline = time.monotonic() + OPENING_S
        super().__init__(*args, **kwargs)

    def limit(self) -> None:
        """Let the next operation of the socket take the rest of the time; raise TimeoutError."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the dialogue took too long")
        self.sock.settimeout(min(left, self.timeout or left))

    def send(self, data: Any) -> None:
        if self.sock:
            self.limit()
        super().send(data)  # type: ignore[misc]

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = io.BufferedReader(_Reader(self))
        reply: tuple[int, bytes] = super().getreply()  # type: ignore[misc]
        return reply


class SMTP(_Timed, smtplib.SMTP):
    pass


class SMTP_SSL(_Timed, smtplib.SMTP_SSL):  # noqa: N801  as smtplib has it
    pass


class _Reader(io.RawIOBase):
    """Reads from the connection's socket; each piece has what is left of the time."""

    def __init__(self, connection: _Timed) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.limit()
        return int(self._connection.sock.recv_into(buffer))
