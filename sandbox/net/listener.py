"""Listening sockets that can be closed and opened again on the same port."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol


class Connection(Protocol):
    """An open connection of the SMTP server or of an HTTP server."""

    @property
    def transport(self) -> asyncio.BaseTransport | None:
        """None once the connection is closed."""


class Listener:
    """A server's listening socket, on one port for the life of the sandbox."""

    def __init__(
        self,
        host: str,
        port: int,
        protocol: Callable[[], asyncio.BaseProtocol],
        connections: Callable[[], Iterable[Connection]],
    ) -> None:
        """`port`: 0 for any free port; once open, the listener keeps that port."""
        self.host = host
        self.port = port
        self._protocol = protocol
        self._connections = connections
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; raises OSError if the port is taken."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening; open connections stay."""
        if self._server:
            self._server.close()
            self._server = None

    async def refuse(self) -> None:
        """Stop listening and cut every open connection."""
        self.close()
        for connection in list(self._connections()):
            cut(connection.transport)
        # The event loop closes the cut connections in its next round: wait for it, so that they
        # are closed when this returns.
        await asyncio.sleep(0)


def cut(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection at once, and drop what was still to be sent over it."""
    if isinstance(transport, asyncio.Transport):
        transport.abort()
