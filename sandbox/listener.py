"""Ports that can be taken away and given back, so that a refused connection is a real one."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from sandbox.rules import Rules
from sandbox.store import Kind

AGAIN_S = 0.1


class Connection(Protocol):
    """An open connection of either server."""

    @property
    def transport(self) -> asyncio.BaseTransport | None:
        """None once it is closed."""


class Listener:
    """A server's listening socket, on one port for the life of the sandbox."""

    def __init__(
        self,
        host: str,
        port: int,
        protocol: Callable[[], asyncio.BaseProtocol],
        connections: Callable[[], Iterable[Connection]],
    ) -> None:
        """`port`: 0 for any that is free, the same one ever after."""
        self.host = host
        self.port = port
        self._protocol = protocol
        self._connections = connections
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; raises OSError where the port cannot be had."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.close()
            self._server = None

    async def refuse(self) -> None:
        """Listen no more, and cut whoever is connected."""
        self.close()
        for connection in list(self._connections()):
            cut(connection.transport)
        # What was cut is closed in the loop's next round, which whoever asked for it must not win.
        await asyncio.sleep(0)


def cut(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection at once, whatever was still to be sent over it."""
    if isinstance(transport, asyncio.Transport):
        transport.abort()


class Doors:
    """Each channel's listener, closed for as long as a rule refuses connections."""

    def __init__(self, rules: Rules, listeners: Mapping[Kind, Listener]) -> None:
        self._rules = rules
        self._listeners = listeners
        self._settling = asyncio.Lock()
        self._waiting: set[asyncio.Task[None]] = set()

    async def settle(self) -> None:
        """Open and close as the rules now say."""
        async with self._settling:
            for kind, listener in self._listeners.items():
                if self._rules.refuses(kind):
                    await listener.refuse()
                else:
                    await _reopen(listener)

    def settle_after(self, seconds: float) -> None:
        """Do so when a rule will have ended by itself."""
        task = asyncio.create_task(self._settle_after(seconds))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _settle_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.settle()


async def _reopen(listener: Listener) -> None:
    # While nobody listened, the system may have lent the port to an outgoing connection.
    while True:
        try:
            return await listener.open()
        except OSError:
            await asyncio.sleep(AGAIN_S)
