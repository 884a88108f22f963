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
from urllib.parse import urlsplit

from aiohttp import web

from sandbox import aws, http, metric_statistics
from sandbox.account import AwsAccount
from sandbox.account_queries import AccountQueries
from sandbox.cloudformation import CloudFormation
from sandbox.cloudwatch import SERVICE, CloudWatch
from sandbox.control import Control
from sandbox.counts import Counts
from sandbox.intake import Intake
from sandbox.listener import Doors, Listener
from sandbox.logs import Logs
from sandbox.loopback import is_loopback
from sandbox.metric_statistics import MetricStatistics
from sandbox.outbound import Outbound
from sandbox.reports import Reporter
from sandbox.rules import Rules
from sandbox.ses_v2 import SesV2
from sandbox.signing import VERSIONS, Signer
from sandbox.smtp import Credentials, Ses, protocol_factory
from sandbox.sns import Sns
from sandbox.store import Store
from sandbox.topic import Topic


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

    host, opted_out = arguments.host, set[str]()
    store, rules, logs, account = Store(), Rules(arguments.seed), Logs(), AwsAccount()
    counts = Counts()
    credentials = Credentials(arguments.smtp_user, arguments.smtp_password)
    async with AsyncExitStack() as running:
        topic = Topic(Signer(arguments.signature_version), arguments.events_url)
        await running.enter_async_context(topic)
        reporter = Reporter(topic, logs, account, counts, opted_out, arguments.events_delay)
        await running.enter_async_context(reporter)
        intake = Intake(store, rules, reporter, arguments.latency)
        ses, sns = Ses(intake, rules, credentials), Sns(intake, rules, account, topic, opted_out)

        smtp = Listener(host, arguments.smtp_port, protocol_factory(ses), lambda: ses.connections)
        queries = AccountQueries(account, topic, arguments.smtp_user)
        stacks = CloudFormation(account)
        ses_v2, outbound = SesV2(account, counts), Outbound(intake, rules, account)
        metrics, cloudwatch = MetricStatistics(account, counts), CloudWatch(account)
        actions = {
            metric_statistics.TARGET: metrics.handle,
            SERVICE: cloudwatch.handle,
            "Logs_20140328": logs.handle,
        }
        aws_app = aws.build_app(
            actions,
            [queries.answer, stacks.answer, sns.handle],
            [*ses_v2.routes(), *outbound.routes()],
        )
        aws_port = await _listener(running, host, arguments.aws_port, aws_app)
        doors = Doors(rules, {"email": smtp, "sms": aws_port})
        control = Control(rules, doors, topic, reporter, opted_out, account, cloudwatch)
        api = await _listener(running, host, arguments.http_port, http.build_app(store, control))
        listeners = {"SMTP": smtp, "AWS": aws_port, "HTTP": api}
        for listener in listeners.values():
            await _open(listener)
            running.callback(listener.close)
        topic.aws_url = f"http://{_endpoint(host, aws_port.port)}"
        topic.http_url = f"http://{_endpoint(host, api.port)}"
        for name, listener in listeners.items():
            print(f"{name} ready on {_endpoint(host, listener.port)}", flush=True)
        print(f"The dice have the seed {arguments.seed}", flush=True)
        await stop.wait()


async def _listener(
    running: AsyncExitStack, host: str, port: int, app: web.Application
) -> Listener:
    # A call whose client has left is cancelled, and so is one still held when the sandbox is told
    # to stop, so that stopping is prompt.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    running.push_async_callback(runner.cleanup)
    server = runner.server
    assert server
    return Listener(host, port, server, lambda: server.connections)


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
    parser.add_argument(
        "--events-url",
        type=_subscriber,
        default=os.environ.get("SANDBOX_EVENTS_URL", ""),
        help="where SES's events are posted to; nowhere unless given",
    )
    parser.add_argument(
        "--events-delay",
        type=_seconds,
        default="0.3",
        help="seconds from a sending to its delivery",
    )
    parser.add_argument("--signature-version", choices=VERSIONS, default="2")
    parser.add_argument(
        "--smtp-user", default=os.environ.get("SANDBOX_SMTP_USER", "SANDBOXSMTPUSER00001")
    )
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


def _subscriber(text: str) -> str:
    parts = urlsplit(text)
    if text and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise argparse.ArgumentTypeError(f"{text} is not an http address on this machine")
    return text


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
