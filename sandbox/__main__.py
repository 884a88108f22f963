"""`python -m sandbox`: run the SES and SNS stand-ins until told to stop."""

import argparse
import asyncio
import errno
import math
import os
import random
import signal
import sys
from contextlib import AsyncExitStack

from aiohttp import web

from sandbox import aws, http
from sandbox.control import Control
from sandbox.intake import Intake
from sandbox.listener import Doors, Listener
from sandbox.loopback import is_loopback
from sandbox.rules import Rules
from sandbox.smtp import Credentials, Ses, protocol_factory
from sandbox.sns import Sns
from sandbox.store import Store


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
    """Run the servers, printing a line for each when all are ready, until a signal asks to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    store, rules = Store(), Rules(arguments.seed)
    intake = Intake(store, rules, arguments.latency)
    credentials = Credentials(arguments.smtp_user, arguments.smtp_password)
    ses = Ses(intake, rules, credentials)
    async with AsyncExitStack() as running:
        host = arguments.host
        smtp = Listener(host, arguments.smtp_port, protocol_factory(ses), lambda: ses.connections)
        aws_server = await _server(running, aws.build_app(Sns(intake, rules)))
        sns = Listener(host, arguments.aws_port, aws_server, lambda: aws_server.connections)
        doors = Doors(rules, {"email": smtp, "sms": sns})
        api_server = await _server(running, http.build_app(store, Control(rules, doors)))
        api = Listener(host, arguments.http_port, api_server, lambda: api_server.connections)
        listeners = {"SMTP": smtp, "AWS": sns, "HTTP": api}
        for listener in listeners.values():
            await _open(listener)
            running.callback(listener.close)
        for name, listener in listeners.items():
            print(f"{name} ready on {_endpoint(host, listener.port)}", flush=True)
        print(f"The dice have the seed {arguments.seed}", flush=True)
        await stop.wait()


async def _server(running: AsyncExitStack, app: web.Application) -> web.Server:
    # A call whose client has left is cancelled, and so is one still held when the sandbox is told
    # to stop, so that stopping is prompt.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    running.push_async_callback(runner.cleanup)
    assert runner.server
    return runner.server


async def _open(listener: Listener) -> None:
    try:
        await listener.open()
    except OSError as error:
        why = "it is already taken" if error.errno == errno.EADDRINUSE else error.strerror
        raise CannotListen(
            f"cannot listen on port {listener.port} of {listener.host}: {why}."
        ) from error


def _endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", type=_loopback, default="127.0.0.1")
    parser.add_argument("--smtp-port", type=_port, default=2525, help="0: any that is free")
    parser.add_argument("--aws-port", type=_port, default=9912, help="0: any that is free")
    parser.add_argument("--http-port", type=_port, default=9911, help="0: any that is free")
    parser.add_argument(
        "--latency",
        type=_seconds,
        default=os.environ.get("SANDBOX_LATENCY", "0"),
        help="seconds before a provider call is answered",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=random.randrange(2**32),
        help="of the dice thrown for rules that are for a share of the calls; random unless given",
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
