"""Redis over TLS: every client verifies the certificate."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.support.settings import PRODUCTION, run
from tests.support.tls import Authority, tls_front
from tools.processes import LOOPBACK

pytestmark = pytest.mark.services

PING = """
import json
import redis
from kombu.exceptions import OperationalError
from apps.core import redis_client
import django; django.setup()
from apps.aws.doctor import redis_server
from rs_systems.celery import app

app.loader.import_default_modules()
connection = app.connection_for_write()


def broker():
    connection.ensure_connection(max_retries=1, interval_start=0)
    return connection.default_channel.client


clients = {
    "broker": broker,
    "shared": redis_client.shared,
    "doctor": redis_server.client,
}
said = {}
for name, client in clients.items():
    try:
        said[name] = client().ping()
    except (redis.RedisError, OperationalError) as error:
        said[name] = str(error)
print(json.dumps(said))
"""
CLIENTS = ("broker", "shared", "doctor")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("foreign"), "foreign")


@pytest.fixture
def port(redis_url: str, ours: Authority) -> Iterator[int]:
    """Yield the port of a Redis over TLS, with a certificate of our authority."""
    with tls_front(urlsplit(redis_url).port or 0, ours.issue(LOOPBACK)) as listening:
        yield listening


def ask(url: str) -> dict[str, object]:
    """Return the answer or the error of each client, under the production settings."""
    result = run(PING, **{**PRODUCTION, "CELERY_BROKER_URL": url})
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("more", ["", "&ssl_cert_reqs=required", "&ssl_cert_reqs=CERT_REQUIRED"])
def test_a_certificate_of_the_url_s_own_authority_is_accepted(
    port: int, ours: Authority, more: str
) -> None:
    url = f"rediss://{LOOPBACK}:{port}/0?ssl_ca_certs={ours.certificate}{more}"
    assert ask(url) == dict.fromkeys(CLIENTS, True)


def test_a_certificate_of_a_foreign_authority_is_refused(port: int, foreign: Authority) -> None:
    for query in (f"?ssl_ca_certs={foreign.certificate}", ""):
        said = ask(f"rediss://{LOOPBACK}:{port}/0{query}")
        assert {name: "CERTIFICATE_VERIFY_FAILED" in str(said[name]) for name in said} == (
            dict.fromkeys(CLIENTS, True)
        )


def test_a_certificate_for_another_host_is_refused(redis_url: str, ours: Authority) -> None:
    behind = urlsplit(redis_url).port or 0
    with tls_front(behind, ours.issue("192.0.2.1")) as port:
        said = ask(f"rediss://{LOOPBACK}:{port}/0?ssl_ca_certs={ours.certificate}")
    assert {name: "CERTIFICATE_VERIFY_FAILED" in str(said[name]) for name in said} == (
        dict.fromkeys(CLIENTS, True)
    )
