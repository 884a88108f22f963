"""An address in front of two Redis: new connections reach the present primary, open ones stay."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis

from tools.processes import LOOPBACK

from .services import Redis


class MovingAddress:
    """Forwards each connection to the node that was the target when it was opened."""

    def __init__(self, target: Redis) -> None:
        self.target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self._listener.getsockname()[1]}/0"

    def fail_over(self, to: Redis) -> None:
        """Make the present primary a replica of `to`, and lead new connections to `to`."""
        demoted, self.target = self.target, to
        redis.Redis(port=demoted.port).replicaof(LOOPBACK, to.port)

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((LOOPBACK, self.target.port))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def moving_address(target: Redis) -> Iterator[MovingAddress]:
    address = MovingAddress(target)
    try:
        yield address
    finally:
        address.close()
