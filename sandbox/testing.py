"""Runs a sandbox in a process of its own for the length of a test."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tools.processes import die_with_parent

HOST = "127.0.0.1"
SMTP_USER = "SANDBOXSMTPUSER00001"
SMTP_PASSWORD = "sandbox-password"  # noqa: S105 - not a secret

_PROJECT = Path(__file__).resolve().parent.parent
# Long enough for a very busy machine.
_START_SECONDS = 120
_STOP_SECONDS = 10
_ANSWER_SECONDS = 120
_PAGE = 1_000


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox on `HOST` that accepts the login `SMTP_USER`, `SMTP_PASSWORD`."""

    process: subprocess.Popen[str]
    smtp_port: int
    aws_port: int
    http_port: int

    @property
    def aws_url(self) -> str:
        """Return the endpoint for boto3's clients, without a slash at the end."""
        return f"http://{HOST}:{self.aws_port}"

    @property
    def url(self) -> str:
        """Return the address of the sandbox's own API, without a slash at the end."""
        return f"http://{HOST}:{self.http_port}"

    def messages(self, **filters: str | int) -> list[dict[str, Any]]:
        """Return the messages that match filters of `GET /api/messages`, oldest first.

        Read every page, unless `limit` is among the filters. Messages may go on arriving meanwhile.
        """
        if "limit" in filters:
            return list(self._get(f"/api/messages?{urlencode(filters)}")["messages"])
        found: list[dict[str, Any]] = []
        query = {"since": 0, "limit": _PAGE, **filters}
        while True:
            page = self._get(f"/api/messages?{urlencode(query)}")
            found += page["messages"]
            if len(page["messages"]) < _PAGE:
                return found
            query["since"] = page["last_seq"]

    def message(self, message_id: str) -> dict[str, Any]:
        """Return one message in full."""
        return self._get(f"/api/messages/{message_id}")

    def health(self) -> dict[str, Any]:
        return self._get("/api/health")

    def clear(self) -> None:
        """Forget every message."""
        self._ask("DELETE", "/api/messages")

    def rule(self, **fields: Any) -> dict[str, Any]:
        """Put a rule in force by `POST /api/rules`, and return it."""
        return dict(json.loads(self._ask("POST", "/api/rules", json.dumps(fields))))

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules in force, oldest first."""
        return list(self._get("/api/rules")["rules"])

    def clear_rules(self) -> None:
        """End every rule."""
        self._ask("DELETE", "/api/rules")

    def account(self, **fields: Any) -> dict[str, Any]:
        """Change fields of the AWS account by `PATCH /api/account`, and return the account."""
        return dict(json.loads(self._ask("PATCH", "/api/account", json.dumps(fields))))

    def reset_account(self) -> None:
        """Set the AWS account up correctly again."""
        self._ask("DELETE", "/api/account")

    def smtp_habits(self, **fields: Any) -> dict[str, Any]:
        """Change how the SMTP server differs from SES by `PATCH /api/smtp`; return its habits."""
        return dict(json.loads(self._ask("PATCH", "/api/smtp", json.dumps(fields))))

    def reset_smtp_habits(self) -> None:
        """Let the SMTP server behave like SES again."""
        self._ask("DELETE", "/api/smtp")

    def metrics(self) -> list[dict[str, Any]]:
        """Return the newest value of each metric that the application published."""
        return list(self._get("/api/metrics")["metrics"])

    def opt_out(self, phone: str) -> None:
        """Opt a number out, as if its owner had answered STOP."""
        self._ask("POST", "/api/opt-outs", json.dumps({"phone": phone}))

    def reply(self, phone: str, text: str) -> str:
        """Answer from a phone; return what SNS answers by itself, or ""."""
        said = self._ask("POST", "/api/replies", json.dumps({"phone": phone, "text": text}))
        return str(json.loads(said)["answer"])

    def opt_in(self, phone: str) -> None:
        """Opt a number in, as if its owner had answered START."""
        self._ask("DELETE", f"/api/opt-outs/{phone}")

    def _get(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self._ask("GET", path)))

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = HTTPConnection(HOST, self.http_port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {content!r}")
        return content


@contextmanager
def running_sandbox(
    latency: float = 0, events_url: str = "", seed: int | None = None, *options: str
) -> Iterator[RunningSandbox]:
    """Start `python -m sandbox` on free ports, wait until it answers, and stop it at the end.

    `latency`: seconds before it answers an accepted provider call. `events_url`: where to post
    SES's events. `seed`: for rules with a `share`. `options`: further command-line options.
    """
    ports = ["--smtp-port=0", "--aws-port=0", "--http-port=0"]
    settings = [f"--latency={latency}", f"--events-url={events_url}"]
    if seed is not None:
        settings.append(f"--seed={seed}")
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *ports, *settings, *options],
        cwd=_PROJECT,
        env=os.environ | {"SANDBOX_SMTP_USER": SMTP_USER, "SANDBOX_SMTP_PASSWORD": SMTP_PASSWORD},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )
    # Kill a sandbox that neither starts nor fails, so that reading its output cannot hang.
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        bound = [_port(process.stdout.readline()) for _ in range(3)]
        sandbox = RunningSandbox(process, *bound)
        sandbox.health()
        watchdog.cancel()
        yield sandbox
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _port(line: str) -> int:
    port = line.strip().rpartition(":")[2]
    if not port.isdecimal():
        raise RuntimeError("the sandbox did not start; what it wrote to stderr says why")
    return int(port)
