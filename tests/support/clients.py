"""Clients of the sandbox: its SMTP, its AWS services and its own API."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import boto3
from botocore.config import Config

from sandbox.testing import HOST, SMTP_PASSWORD, SMTP_USER, RunningSandbox

#: The fixtures `email` and `sms`.
SendEmail = Callable[..., str]
SendText = Callable[..., str]

DELIVERY = "3f1c9a52-0d6e-4f0e-9c39-5a9be5b0a6aa"
ADDRESS = "owner@customer.example"
PHONE = "+15551234567"
#: Seconds: more than an answer takes, and a few for what is not answered.
PATIENCE_S = 60.0
IMPATIENCE_S = 1.0


def smtp(sandbox: RunningSandbox, timeout: float = PATIENCE_S) -> smtplib.SMTP:
    """Return a connection that has logged in."""
    client = smtplib.SMTP(HOST, sandbox.smtp_port, timeout=timeout)
    client.login(SMTP_USER, SMTP_PASSWORD)
    return client


def send_email(
    sandbox: RunningSandbox, *to: str, patience_s: float = PATIENCE_S, **headers: str
) -> tuple[int, str]:
    """Send one e-mail over a new connection and return the reply. Write headers with _ for -."""
    with smtp(sandbox, patience_s) as client:
        return send_over(client, *to, **headers)


def send_over(client: smtplib.SMTP, *to: str, **headers: str) -> tuple[int, str]:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    source = "\r\n".join(["From: RS <no-reply@rs.example>", "Subject: Ready", *lines, "", "Ready."])
    code, reply = client.mail("no-reply@rs.example")
    if code != 250:
        return code, reply.decode()
    for address in to or [ADDRESS]:
        client.rcpt(address)
    code, reply = client.data(source.encode())
    return code, reply.decode()


def aws(
    sandbox: RunningSandbox, service: Any = "sns", timeout: float = PATIENCE_S, **config: Any
) -> Any:
    """Return a boto3 client that tries once."""
    return boto3.client(
        service,
        endpoint_url=sandbox.aws_url,
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(
            retries={"total_max_attempts": 1},
            proxies={},
            connect_timeout=timeout,
            read_timeout=timeout,
            **config,
        ),
    )


def send_text(sandbox: RunningSandbox, phone: str = PHONE, timeout: float = PATIENCE_S) -> str:
    """Send one text message and return its ID."""
    answer = aws(sandbox, timeout=timeout).publish(PhoneNumber=phone, Message="Ready.")
    return str(answer["MessageId"])


def ask(
    sandbox: RunningSandbox, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[HTTPResponse, Any]:
    return ask_port(sandbox.http_port, path, method, body, **headers)


def ask_port(
    port: int, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[HTTPResponse, Any]:
    connection = HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer, json.loads(content) if is_json else content
