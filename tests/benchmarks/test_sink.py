"""The provider of the measurements notes each message once, whatever the network cuts it into."""

import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks import bare_publish, message, sink
from tools.processes import LOOPBACK, die_with_parent, free_ports, wait_until
from tools.supervisor import ROOT

pytestmark = pytest.mark.services

MAIL = b"Subject: Approved\r\n\r\nIt ends with a dot.\r\n..\r\n"


class Running(NamedTuple):
    smtp_port: int
    sns_port: int
    arrivals: sink.Arrivals


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path: Path = tmp_path_factory.mktemp("sink") / "arrivals"
    arrivals = sink.create(path)
    smtp_port, sns_port = free_ports(2)
    command = [sys.executable, "-m", "benchmarks.sink", "serve"]
    with subprocess.Popen(
        [*command, str(smtp_port), str(sns_port), path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent,
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        yield Running(smtp_port, sns_port, arrivals)
        running.terminate()


@pytest.fixture
def running(process: Running) -> Running:
    process.arrivals.reset(0.0)
    return process


def names(running: Running) -> list[str]:
    return [name for _, name in running.arrivals.read()]


def test_each_email_is_noted_by_its_recipients_name(running: Running) -> None:
    with smtplib.SMTP(LOOPBACK, running.smtp_port) as client:
        for number in range(3):
            client.sendmail("a@x.example", message.address(number), MAIL)
    assert names(running) == ["person000000", "person000001", "person000002"]


def test_an_email_that_comes_byte_by_byte_is_one_email(running: Running) -> None:
    dialogue = b"MAIL FROM:<a@x>\r\nRCPT TO:<slow@x>\r\nDATA\r\n" + MAIL + b".\r\nQUIT\r\n"
    with socket.create_connection((LOOPBACK, running.smtp_port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in dialogue:
            client.send(bytes([octet]))
        while client.recv(1000):
            pass
    assert names(running) == ["slow"]


def test_each_text_is_noted_by_its_number(running: Running, monkeypatch: Any) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_SNS": f"http://{LOOPBACK}:{running.sns_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "measured",
        "AWS_SECRET_ACCESS_KEY": "measured",
    }.items():
        monkeypatch.setenv(name, value)
    bare_publish.main(7, 2)
    assert names(running) == [message.phone(7), message.phone(8)]


def test_a_message_is_noted_when_complete_and_answered_after_the_delay(
    running: Running,
) -> None:
    running.arrivals.reset(3600.0)
    with socket.create_connection((LOOPBACK, running.smtp_port)) as client:
        client.sendall(b"MAIL FROM:<a@x>\r\nRCPT TO:<waits@x>\r\nDATA\r\n" + MAIL + b".\r\n")
        wait_until(lambda: running.arrivals.count == 1, "it is noted")
        assert client.recv(1000).endswith(b"354 Go on\r\n")
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1000)
    assert names(running) == ["waits"]
