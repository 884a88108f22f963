"""moto's Secrets Manager on a loopback port, so that other processes can ask it too."""

import json
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from tools.processes import LOOPBACK

from .serving import serving

NAME = "rs-systems/tests/environment"
REGION = "us-east-1"


class SecretsManager(ThreadingHTTPServer):
    """Answers GetSecretValue as moto does, or once with each entry of `planted`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.client: Any = boto3.client("secretsmanager", region_name=REGION)
        #: The name of each secret that was asked for, and the Region.
        self.asked: list[tuple[str, str]] = []
        #: Status and body.
        self.planted: deque[tuple[int, dict[str, str]]] = deque()
        #: Every call waits until this is set.
        self.open = threading.Event()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all calls, and empty the secret."""
        for each in self.client.list_secrets(IncludePlannedDeletion=True)["SecretList"]:
            self.client.delete_secret(SecretId=each["ARN"], ForceDeleteWithoutRecovery=True)
        self.client.create_secret(Name=NAME)
        self.asked.clear()
        self.planted.clear()
        self.open.set()

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that point a process here."""
        return {
            "AWS_SECRETS_NAME": NAME,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{LOOPBACK}:{self.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
        }

    def put(self, **values: Any) -> None:
        """Store another version of the secret."""
        self.put_text(json.dumps(values))

    def put_text(self, text: str) -> None:
        self.client.put_secret_value(SecretId=NAME, SecretString=text)

    def refuse(self, code: str, message: str = "") -> None:
        """Answer the next call with an error."""
        self.planted.append((400, {"__type": code, "message": message}))

    def answer(self, question: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        # Before the wait: a call that outlives its test must not take the next test's answer.
        planted = self.planted.popleft() if self.planted else None
        self.open.wait(60)
        if planted:
            return planted
        try:
            found = self.client.get_secret_value(**question)
        except ClientError as error:
            said = error.response["Error"]
            return 400, {"__type": said["Code"], "message": said["Message"]}
        wanted = ("ARN", "Name", "VersionId", "SecretString", "SecretBinary")
        return 200, {name: found[name] for name in wanted if name in found}


class _Handler(BaseHTTPRequestHandler):
    server: SecretsManager

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # Credential=test/20260101/us-east-1/secretsmanager/aws4_request
        region = self.headers["Authorization"].split("/")[2]
        self.server.asked.append((question["SecretId"], region))
        status, answer = self.server.answer(question)
        body = json.dumps(answer, default=lambda binary: b64encode(binary).decode()).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        # A client that waited too long has hung up.
        with suppress(BrokenPipeError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write nothing to the test's output."""


@contextmanager
def running_secrets_manager() -> Iterator[SecretsManager]:
    """Run one with an empty secret."""
    with mock_aws(), serving(SecretsManager()) as server:
        try:
            yield server
        finally:
            server.open.set()
