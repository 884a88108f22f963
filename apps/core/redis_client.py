"""Our Redis clients, and connections that leave a node which no longer serves us.

After a failover, open connections may stay on the old node, now a replica, while new ones reach
the new primary. The old node answers READONLY. redis-py and kombu take that for an error of the
command and keep the connection. The connections here close themselves and fail as lost ones, so
that the client, or kombu, connects again. They also end an answer that drips.
"""

import re
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from kombu.transport.redis import Channel
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

#: redis-py has classes for some of these answers. It leaves the others, and those of a script, as
#: words.
_WRONG_NODE = (
    exceptions.ReadOnlyError,
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
)
_WORDS = re.compile(r"(?:^|: -)(?:READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|UNBLOCKED)\b")


#: Seconds from the first byte of an answer to its last. A socket's own time-out begins again with
#: every byte.
ANSWER_S = 2.0


class _TimedSocket:
    """A socket that fails if an answer takes longer than ANSWER_S; `restart` begins the next."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self._ends_at: float | None = None

    def restart(self) -> None:
        self._ends_at = None

    def recv(self, size: int) -> bytes:
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            raise TimeoutError("the answer came too slowly")
        received: bytes = self._wrapped.recv(size)
        if self._ends_at is None:
            self._ends_at = time.monotonic() + ANSWER_S
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class WrongNodeError(exceptions.ConnectionError):
    """The node that this connection reached does not serve writes. The connection is closed."""


class _LeavesWrongNode:
    """Connect again, once and at once, after an answer that means "wrong node"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Only such an answer: a time-out or a refused connection must not be waited for twice.
        if not kwargs.get("retry"):
            kwargs["retry"] = Retry(NoBackoff(), 1, supported_errors=(WrongNodeError,))
        super().__init__(*args, **kwargs)

    def _connect(self) -> Any:
        return _TimedSocket(super()._connect())  # type: ignore[misc]

    def can_read(self, *args: Any, **kwargs: Any) -> bool:
        # The pool asks this of an idle connection, to find those that the server has closed.
        self._restart()
        return bool(super().can_read(*args, **kwargs))  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        self._restart()
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except (exceptions.ResponseError, exceptions.BusyLoadingError) as error:
            if not _is_of_wrong_node(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise WrongNodeError(str(error)) from error

    def _restart(self) -> None:
        if self._sock:  # type: ignore[attr-defined]
            self._sock.restart()  # type: ignore[attr-defined]


class Connection(_LeavesWrongNode, redis.Connection):
    pass


class SSLConnection(_LeavesWrongNode, redis.SSLConnection):
    pass


@cache
def shared() -> Any:
    """Return this process's client. It answers soon or raises RedisError."""
    return client(timeout_s=0.5)


def client(timeout_s: float) -> Any:
    """Return a client of the broker's Redis; each answer may take so many seconds."""
    secure = urlsplit(settings.CELERY_BROKER_URL).scheme == "rediss"
    return redis.Redis.from_url(
        settings.CELERY_BROKER_URL,
        connection_class=SSLConnection if secure else Connection,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
    )


def use_in_kombu() -> None:
    """Have kombu's broker connections leave a wrong node too."""
    Channel.connection_class = Connection
    Channel.connection_class_ssl = SSLConnection


def _is_of_wrong_node(error: Exception) -> bool:
    return isinstance(error, _WRONG_NODE) or bool(_WORDS.search(str(error)))
