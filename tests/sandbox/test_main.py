import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sandbox.testing import HOST, SMTP_PASSWORD, SMTP_USER, RunningSandbox, running_sandbox
from tools.processes import port_is_free, wait_until

pytestmark = pytest.mark.services

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 60
ANY_PORTS = ("--smtp-port=0", "--aws-port=0", "--http-port=0")


def run_to_the_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def send_email(sandbox: RunningSandbox) -> None:
    with smtplib.SMTP(HOST, sandbox.smtp_port, timeout=PATIENCE) as client:
        client.login(SMTP_USER, SMTP_PASSWORD)
        client.sendmail("no-reply@rs.example", "owner@customer.example", b"Subject: x\r\n\r\nx")


def publish_sms(sandbox: RunningSandbox, phone: str = "+15551234567") -> None:
    connection = HTTPConnection(HOST, sandbox.aws_port, timeout=PATIENCE)
    try:
        form = urlencode({"Action": "Publish", "PhoneNumber": phone, "Message": "x"})
        connection.request("POST", "/", form)
        connection.getresponse().read()
    finally:
        connection.close()


def seconds_taken(action: Callable[[RunningSandbox], None], sandbox: RunningSandbox) -> float:
    started = time.monotonic()
    action(sandbox)
    return time.monotonic() - started


def wait_until_accepted(sandbox: RunningSandbox, count: int) -> None:
    wait_until(lambda: len(sandbox.messages()) >= count, f"{count} messages are accepted")


def test_latency_delays_the_answer_to_an_accepted_call() -> None:
    latency = 0.5
    with running_sandbox(latency) as sandbox:
        for action in (send_email, publish_sms):
            assert seconds_taken(action, sandbox) >= latency


def test_latency_blocks_no_other_connection() -> None:
    actions = [send_email, publish_sms] * 4
    # The calls wait until the sandbox stops, and the pool waits for them.
    with ThreadPoolExecutor(len(actions)) as pool, running_sandbox(latency=600) as sandbox:
        calls = [pool.submit(action, sandbox) for action in actions]
        wait_until_accepted(sandbox, len(calls))
        assert [call for call in calls if call.done()] == []


def test_latency_does_not_delay_a_refusal() -> None:
    with running_sandbox(latency=60) as sandbox:
        publish_sms(sandbox, phone="not a number")

        assert sandbox.messages() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_while_a_call_is_pending(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_sandbox(latency=600) as sandbox, ThreadPoolExecutor() as pool:
        calls = [pool.submit(send_email, sandbox), pool.submit(publish_sms, sandbox)]
        wait_until_accepted(sandbox, len(calls))
        with socket.create_connection((HOST, sandbox.smtp_port)):
            sandbox.process.send_signal(number)

            assert sandbox.process.wait(PATIENCE) == 0
        assert all(call.exception(PATIENCE) for call in calls)

    assert capfd.readouterr().err == ""


def test_a_sandbox_of_a_killed_test_ends_with_it() -> None:
    program = (
        "import sys; from sandbox.testing import running_sandbox\n"
        "with running_sandbox() as sandbox:\n"
        "    print(sandbox.process.pid, sandbox.http_port, flush=True)\n"
        "    sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pid, port = map(int, process.stdout.readline().split())
    process.kill()
    process.communicate()
    try:
        wait_until(lambda: port_is_free(port), "the port is free")
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        raise


@pytest.mark.parametrize("option", ["--smtp-port", "--aws-port", "--http-port"])
def test_a_port_in_use_is_reported_with_exit_status_1(option: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        ended = run_to_the_end(*ANY_PORTS, f"{option}={taken}")

    assert ended.returncode == 1
    assert ended.stderr == (
        f"sandbox: cannot listen on port {taken} of 127.0.0.1: it is already taken.\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "rs.example", ""])  # noqa: S104
def test_a_host_that_is_not_loopback_is_refused(host: str) -> None:
    ended = run_to_the_end(f"--host={host}")

    assert ended.returncode == 2
    assert f"{host} is not a loopback address" in ended.stderr


@pytest.mark.parametrize(
    "option",
    [
        "--latency=-1",
        "--latency=nan",
        "--latency=slow",
        "--smtp-port=65536",
        "--signature-version=3",
        "--events-url=http://app.example/webhooks/aws/sns",
        "--events-url=http://127.0.0.1.app.example/",
        "--events-url=file:///tmp/events",
    ],
)
def test_an_invalid_option_is_refused(option: str) -> None:
    assert run_to_the_end(option).returncode == 2


def test_the_credentials_are_read_from_the_environment() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *ANY_PORTS],
        cwd=PROJECT,
        env=os.environ | {"SANDBOX_SMTP_USER": "ours", "SANDBOX_SMTP_PASSWORD": "secret"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        with smtplib.SMTP(HOST, port, timeout=PATIENCE) as client:
            assert client.login("ours", "secret")[0] == 235
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
