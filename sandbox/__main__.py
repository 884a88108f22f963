"""`python -m sandbox`: run the SES and SNS stand-ins until told to stop."""

import argparse
import asyncio
import errno
import math
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import web

from sandbox.http import build_app, is_loopback
from sandbox.smtp import Credentials, Ses, protocol_factory
from sandbox.sns import Sns
from sandbox.store import Store

T = TypeVar("T")


class CannotListen(Exception):
    """A port could not be had; the text is a sentence for whoever started the sandbox."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; the exit status: 0, or 1 when a port cannot be had."""
    try:
        asyncio.run(serve(_arguments()))
    except CannotListen as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 1
    return 0


async def serve(arguments: argparse.Namespace) -> None:
    """Run both servers, printing a line when each is ready, until a signal asks to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    store = Store()
    host, latency = arguments.host, arguments.latency
    credentials = Credentials(arguments.smtp_user, arguments.smtp_password)
    app = build_app(store, Sns(store, latency))
    # A call still held back by the latency is cut, so that stopping is prompt.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        protocol = protocol_factory(Ses(store, credentials, latency))
        port = arguments.smtp_port
        smtp = await _bound(host, port, loop.create_server(protocol, host, port))
        print(f"SMTP ready on {_endpoint(smtp.sockets[0].getsockname())}", flush=True)

        port = arguments.http_port
        await _bound(host, port, web.TCPSite(runner, host, port).start())
        print(f"HTTP ready on {_endpoint(runner.addresses[0])}", flush=True)

        await stop.wait()
        smtp.close()
    finally:
        await runner.cleanup()


async def _bound(host: str, port: int, start: Awaitable[T]) -> T:
    try:
        return await start
    except OSError as error:
        why = "it is already taken" if error.errno == errno.EADDRINUSE else error.strerror
        raise CannotListen(f"cannot listen on port {port} of {host}: {why}.") from error


def _endpoint(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", type=_loopback, default="127.0.0.1")
    parser.add_argument("--smtp-port", type=_port, default=2525, help="0: any that is free")
    parser.add_argument("--http-port", type=_port, default=9911, help="0: any that is free")
    parser.add_argument(
        "--latency",
        type=_seconds,
        default=os.environ.get("SANDBOX_LATENCY", "0"),
        help="seconds before a provider call is answered",
    )
    parser.add_argument("--smtp-user", default=os.environ.get("SANDBOX_SMTP_USER", "sandbox"))
    parser.add_argument(
        "--smtp-password", default=os.environ.get("SANDBOX_SMTP_PASSWORD", "sandbox-password")
    )
    return parser.parse_args()


def _loopback(text: str) -> str:
    if not is_loopback(text):
        raise argparse.ArgumentTypeError(
            f"{text} is not a loopback address; the sandbox has no defence against a network"
        )
    return "127.0.0.1" if text == "localhost" else text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
