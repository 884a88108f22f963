"""Wires the stand-ins together and serves them on three ports."""

import asyncio
import errno
import signal
from contextlib import AsyncExitStack
from typing import NamedTuple

from aiohttp import web

from sandbox.acceptor import Acceptor
from sandbox.account.cloudformation.endpoint import CloudFormation
from sandbox.account.iam import Identity
from sandbox.account.settings import AwsAccount
from sandbox.api.account import AccountApi
from sandbox.api.app import build_app
from sandbox.api.messages import MessagesApi
from sandbox.api.replies import RepliesApi
from sandbox.api.rules import RulesApi
from sandbox.api.smtp import SmtpApi
from sandbox.api.subscription import SubscriptionApi
from sandbox.cloudwatch import get_metric_data, logs, put_metric_data
from sandbox.cloudwatch.counts import Counts
from sandbox.cloudwatch.get_metric_data import GetMetricData
from sandbox.cloudwatch.logs import Logs
from sandbox.cloudwatch.put_metric_data import PutMetricData
from sandbox.faults.port_switch import PortSwitch
from sandbox.faults.rules import Rules
from sandbox.feedback import Feedback
from sandbox.net import aws_port
from sandbox.net.listener import Listener
from sandbox.ses.account_api import SesAccountApi
from sandbox.ses.sending_api import MAX_BODY, SendingApi
from sandbox.ses.smtp import Credentials, Habits, SmtpEndpoint, protocol_factory
from sandbox.sns.replies import Replies
from sandbox.sns.settings import SnsSettings
from sandbox.sns.signing import SignatureVersion, Signer
from sandbox.sns.sms_api import SmsApi
from sandbox.sns.topic import Topic
from sandbox.store import Store


class CannotListen(Exception):
    """A port is not available; the text is a sentence for the user."""


class Options(NamedTuple):
    """The command's options; ports may be 0 for any free one, times are in seconds."""

    host: str
    smtp_port: int
    aws_port: int
    http_port: int
    latency: float
    seed: int
    events_url: str
    events_delay: float
    signature_version: SignatureVersion
    smtp_user: str
    smtp_password: str
    smtp_habits: Habits


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; print the address of each port when all are open.

    Raises CannotListen.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    store, rules, opted_out = Store(), Rules(options.seed), set[str]()
    replies = Replies(opted_out)
    account, counts, receipt_logs = AwsAccount(), Counts(), Logs()
    async with AsyncExitStack() as running:
        topic = Topic(Signer(options.signature_version), options.events_url)
        await running.enter_async_context(topic)
        feedback = Feedback(topic, receipt_logs, account, counts, opted_out, options.events_delay)
        await running.enter_async_context(feedback)
        acceptor = Acceptor(store, rules, feedback.publish, options.latency)

        credentials = Credentials(options.smtp_user, options.smtp_password)
        smtp = SmtpEndpoint(acceptor, rules, credentials, options.smtp_habits)
        identity = Identity(account, options.smtp_user)
        published_metrics = PutMetricData(account)
        aws_app = aws_port.build_app(
            {
                get_metric_data.TARGET: GetMetricData(account, counts).handle,
                put_metric_data.TARGET: published_metrics.handle,
                logs.TARGET: receipt_logs.handle,
            },
            [
                identity.sts,
                identity.iam,
                SnsSettings(account, options.events_url).queries,
                CloudFormation(account).queries,
                SmsApi(acceptor, rules, account, topic, opted_out),
            ],
            [
                *SesAccountApi(account, counts.sent_in_24_hours).routes(),
                *SendingApi(acceptor, rules, account).routes(),
            ],
            MAX_BODY,
        )
        smtp_listener = Listener(
            options.host, options.smtp_port, protocol_factory(smtp), lambda: smtp.connections
        )
        aws_listener = await _http_listener(running, options.host, options.aws_port, aws_app)
        ports = PortSwitch(rules, {"email": smtp_listener, "sms": aws_listener})
        api_app = build_app(
            [
                *MessagesApi(store, rules, topic, feedback, replies).routes(),
                *RepliesApi(replies).routes(),
                *RulesApi(rules, ports).routes(),
                *AccountApi(account, opted_out, published_metrics).routes(),
                *SmtpApi(smtp).routes(),
                *SubscriptionApi(topic, feedback).routes(),
            ]
        )
        api_listener = await _http_listener(running, options.host, options.http_port, api_app)

        listeners = {"SMTP": smtp_listener, "AWS": aws_listener, "HTTP": api_listener}
        for listener in listeners.values():
            await _open(listener)
            running.callback(listener.close)
        topic.aws_url = f"http://{_address(aws_listener)}"
        topic.http_url = f"http://{_address(api_listener)}"
        for name, listener in listeners.items():
            print(f"{name} ready on {_address(listener)}", flush=True)
        print(f"The random seed is {options.seed}", flush=True)
        await stop.wait()


async def _http_listener(
    running: AsyncExitStack, host: str, port: int, app: web.Application
) -> Listener:
    # Cancel a call when its client leaves, and soon after the sandbox is told to stop.
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


def _address(listener: Listener) -> str:
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"{host}:{listener.port}"
