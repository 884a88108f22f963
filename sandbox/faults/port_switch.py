"""Closes a channel's port while a rule refuses its connections."""

import asyncio
from collections.abc import Mapping

from sandbox.faults.rules import Rules
from sandbox.net.listener import Listener
from sandbox.store import Channel

RETRY_S = 0.1


class PortSwitch:
    """Opens and closes the listener of each channel as the rules say."""

    def __init__(self, rules: Rules, listeners: Mapping[Channel, Listener]) -> None:
        self._rules = rules
        self._listeners = listeners
        self._lock = asyncio.Lock()
        self._timers: set[asyncio.Task[None]] = set()

    async def update(self) -> None:
        """Open and close as the rules say now."""
        async with self._lock:
            for channel, listener in self._listeners.items():
                if self._rules.refuses_connections(channel):
                    await listener.refuse()
                else:
                    await _reopen(listener)

    def update_after(self, seconds: float) -> None:
        """Update in the background once a rule has ended by itself."""
        task = asyncio.create_task(self._update_after(seconds))
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)

    async def _update_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.update()


async def _reopen(listener: Listener) -> None:
    # While the port was closed, the system may have lent it to an outgoing connection.
    while True:
        try:
            return await listener.open()
        except OSError:
            await asyncio.sleep(RETRY_S)
