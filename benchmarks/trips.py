"""Count the round trips to Redis, from outside of the processes that make them.

A counter listens on a port and passes everything on. A trip begins when a client sends after an
answer, so a pipeline is one trip, and so is a script whatever it does.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tools.processes import LOOPBACK, free_ports

CHUNK = 65_536


class TripCounter:
    """Listens on `port` and counts the trips of all its connections."""

    def __init__(self, target_port: int) -> None:
        [self.port] = free_ports(1)
        self.trips = 0
        self._target_port = target_port

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_connection(LOOPBACK, self._target_port)
        answered = True

        async def ask() -> None:
            nonlocal answered
            while data := await reader.read(CHUNK):
                self.trips += answered
                answered = False
                server[1].write(data)
            server[1].close()

        async def answer() -> None:
            nonlocal answered
            while data := await server[0].read(CHUNK):
                answered = True
                writer.write(data)
            writer.close()

        # A client that is killed resets its connection.
        await asyncio.gather(ask(), answer(), return_exceptions=True)


@contextmanager
def counted_trips(target_port: int) -> Iterator[TripCounter]:
    """Count in a thread until the end of the block; the Redis listens on the target port."""
    counter = TripCounter(target_port)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(counter.handle, LOOPBACK, counter.port)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield counter
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
