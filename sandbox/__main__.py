"""Run the stand-ins for SES and SNS until SIGTERM or SIGINT."""

import argparse
import asyncio
import math
import os
import random
import sys
from urllib.parse import urlsplit

from sandbox.json_input import patched
from sandbox.net.loopback import is_loopback
from sandbox.server import CannotListen, Options, serve
from sandbox.ses.smtp import Habits
from sandbox.sns.signing import VERSIONS


def main() -> int:
    """Return the exit status: 0, or 1 if a port is not available."""
    try:
        asyncio.run(serve(_options()))
    except CannotListen as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 1
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", type=_loopback, default="127.0.0.1")
    parser.add_argument("--smtp-port", type=_port, default=2525, help="0: any free port")
    parser.add_argument("--aws-port", type=_port, default=9912, help="0: any free port")
    parser.add_argument("--http-port", type=_port, default=9911, help="0: any free port")
    parser.add_argument(
        "--latency",
        type=_seconds,
        default=os.environ.get("SANDBOX_LATENCY", "0"),
        help="seconds before an accepted provider call is answered",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=random.randrange(2**32),
        help="for rules that apply to a share of the calls; random by default",
    )
    parser.add_argument(
        "--events-url",
        type=_events_url,
        default=os.environ.get("SANDBOX_EVENTS_URL", ""),
        help="where to post SES's events; by default they are not posted",
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
    parser.add_argument(
        "--smtp-habits",
        type=_habits,
        default="{}",
        metavar="JSON",
        help="how the SMTP server differs from SES, as PATCH /api/smtp takes it",
    )
    return Options(**vars(parser.parse_args()))


def _loopback(text: str) -> str:
    if not is_loopback(text):
        raise argparse.ArgumentTypeError(
            f"{text} is not a loopback address; the sandbox is not safe on a network"
        )
    return "127.0.0.1" if text == "localhost" else text


def _events_url(text: str) -> str:
    parts = urlsplit(text)
    if text and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise argparse.ArgumentTypeError(f"{text} is not an http address on this machine")
    return text


def _habits(text: str) -> Habits:
    try:
        return patched(Habits(), text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


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
