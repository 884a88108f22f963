"""Forward a port to another one, which can be changed for new connections."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tools.processes import LOOPBACK

CHUNK = 65_536


class Forwarder:
    """Listens on `port`; each connection goes to what `target_port` is when it opens."""

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self.target_port = target_port

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, target[1]), _copy(target[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@contextmanager
def running_forwarder(port: int, target_port: int) -> Iterator[Forwarder]:
    """Forward in a thread until the end of the block."""
    forwarder = Forwarder(port, target_port)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = asyncio.start_server(forwarder.handle, LOOPBACK, port)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        yield forwarder
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
