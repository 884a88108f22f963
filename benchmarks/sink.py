"""A provider that costs almost nothing: it takes e-mails (SMTP) and texts (SNS) and notes each one.

Several processes share the two ports. Each writes its arrivals into a file of its own, which the
harness maps into its memory: reading them costs the sink nothing. Only the standard library is
used. `python -m benchmarks.sink hammer` shows how fast the sink is, with the cheapest client.
"""

import argparse
import asyncio
import mmap
import socket
import struct
import time
from functools import partial
from pathlib import Path
from urllib.parse import unquote_plus

HOST = "127.0.0.1"
#: How many arrivals there are, and the seconds that each answer takes.
HEADER = struct.Struct("<qd")
#: When a message was complete, by the machine's monotonic clock, and the name in its address.
RECORD = struct.Struct("<d24s")
ROOM = 400_000
SIZE = HEADER.size + ROOM * RECORD.size

SNS_ANSWER = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    "<MessageId>{0:036d}</MessageId></PublishResult><ResponseMetadata>"
    "<RequestId>{0:036d}</RequestId></ResponseMetadata></PublishResponse>"
)


class Arrivals:
    """One sink's file."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)

    @property
    def count(self) -> int:
        return int(HEADER.unpack_from(self._map)[0])

    @property
    def delay_s(self) -> float:
        return float(HEADER.unpack_from(self._map)[1])

    def reset(self, delay_s: float) -> None:
        """Forget the arrivals; from now on each answer takes so many seconds."""
        HEADER.pack_into(self._map, 0, 0, delay_s)

    def add(self, name: bytes) -> int:
        """Note an arrival; return its number."""
        number = self.count
        RECORD.pack_into(self._map, HEADER.size + number * RECORD.size, time.monotonic(), name[:24])
        HEADER.pack_into(self._map, 0, number + 1, self.delay_s)
        return number

    def read(self) -> list[tuple[float, str]]:
        """Return the time and the name of each arrival."""
        records = self._map[HEADER.size : HEADER.size + self.count * RECORD.size]
        return [(at, name.rstrip(b"\0").decode()) for at, name in RECORD.iter_unpack(records)]


def create(path: Path) -> Arrivals:
    with path.open("wb") as file:
        file.truncate(SIZE)
    return Arrivals(path)


class Answering(asyncio.Protocol):
    """A connection whose answers may take a while."""

    transport: asyncio.Transport

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def answer(self, data: bytes) -> None:
        if delay := self.arrivals.delay_s:
            asyncio.get_running_loop().call_later(delay, self.transport.write, data)
        else:
            self.transport.write(data)


class Smtp(Answering):
    in_data = False
    name = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.buffer:
            if self.in_data:
                end = self.buffer.find(b"\r\n.\r\n")
                if end < 0:
                    return
                self.buffer = self.buffer[end + 5 :]
                self.in_data = False
                number = self.arrivals.add(self.name)
                self.answer(b"250 Ok %016x%08x\r\n" % (id(self.arrivals), number))
                continue
            line, separator, rest = self.buffer.partition(b"\r\n")
            if not separator:
                return
            self.buffer = rest
            self.command(line)

    def command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"DATA":
            self.in_data = True
            self.transport.write(b"354 Go on\r\n")
        elif verb == b"QUIT":
            self.transport.write(b"221 Bye\r\n")
            self.transport.close()
        else:
            if verb == b"RCPT":
                self.name = line.partition(b"<")[2].partition(b"@")[0]
            self.transport.write(b"250 Ok\r\n")


class Sns(Answering):
    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, separator, body = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(body) < length:
                return
            self.buffer = body[length:]
            number = body[:length].partition(b"PhoneNumber=")[2].partition(b"&")[0].decode()
            text = SNS_ANSWER.format(self.arrivals.add(unquote_plus(number).encode())).encode()
            self.answer(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s"
                % (len(text), text)
            )


async def serve(smtp_port: int, sns_port: int, path: Path) -> None:
    arrivals, loop = Arrivals(path), asyncio.get_running_loop()
    for port, protocol in ((smtp_port, Smtp), (sns_port, Sns)):
        await loop.create_server(partial(protocol, arrivals), HOST, port, reuse_port=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


def hammer_smtp(port: int, count: int) -> None:
    """Send prepared e-mails with as few system calls as the protocol allows."""
    body = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20 + b".\r\n"
    with socket.create_connection((HOST, port)) as connection:
        connection.recv(1000)
        for number in range(count):
            connection.sendall(b"MAIL FROM:<a@x>\r\nRCPT TO:<hammer%d@x>\r\nDATA\r\n" % number)
            answers = b""
            while b"354" not in answers:
                answers += connection.recv(1000)
            connection.sendall(body)
            connection.recv(1000)


def hammer_sns(port: int, count: int) -> None:
    """Send prepared requests of the size of boto3's."""
    body = b"PhoneNumber=%2B12025550000&Action=Publish&Message=" + b"x" * 400
    head = b"POST / HTTP/1.1\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n"
    request = head % (b"x" * 300, len(body)) + body
    with socket.create_connection((HOST, port)) as connection:
        for _ in range(count):
            connection.sendall(request)
            connection.recv(4096)


HAMMERS = {"smtp": hammer_smtp, "sns": hammer_sns}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink")
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve")
    server.add_argument("smtp_port", type=int)
    server.add_argument("sns_port", type=int)
    server.add_argument("path", type=Path)
    client = commands.add_parser("hammer")
    client.add_argument("protocol", choices=HAMMERS)
    client.add_argument("port", type=int)
    client.add_argument("count", type=int)
    options = parser.parse_args()
    if options.command == "serve":
        asyncio.run(serve(options.smtp_port, options.sns_port, options.path))
    else:
        HAMMERS[options.protocol](options.port, options.count)


if __name__ == "__main__":
    main()
