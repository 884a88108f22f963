"""The example of a proxy, as the real nginx runs it in front of the site."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.services import Site
from tests.support.tls import Authority
from tools.processes import LOOPBACK, die_with_parent, free_ports, port_is_free, wait_until
from tools.supervisor import ROOT
from web.limits import (
    MAX_BODY_BYTES,
    MAX_PHOTO_BODY_BYTES,
    MAX_UPLOAD_BYTES,
    TOO_LARGE,
    UPLOADS,
)

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        not shutil.which("nginx"), reason="there is no nginx here: apt-get install nginx-light"
    ),
]


class Proxy(NamedTuple):
    port: int
    authority: Path
    log: Path

    def ask(self, method: str, path: str, **more: Any) -> HTTPResponse:
        context = ssl.create_default_context(cafile=self.authority)
        asked = HTTPSConnection(LOOPBACK, self.port, timeout=60, context=context)
        more["headers"] = {"Host": "localhost", **more.get("headers", {})}
        asked.request(method, path, **more)
        return asked.getresponse()


@pytest.fixture
def proxy(transactional_db: None, tmp_path: Path) -> Iterator[Proxy]:
    site = Site(tmp_path)
    site.start(TRUSTED_PROXIES="1")
    plain, port = free_ports(2)
    authority = Authority(tmp_path, "ours")
    certificate = authority.issue(LOOPBACK)
    log = tmp_path / "access.log"
    example = (ROOT / "deploy" / "nginx" / "rs-systems.conf").read_text()
    for ours, theirs in {
        "listen 80;": f"listen {LOOPBACK}:{plain};",
        "listen 443 ssl http2;": f"listen {LOOPBACK}:{port} ssl http2;",
        "/etc/ssl/app.example.com.pem": str(certificate),
        "/etc/ssl/app.example.com.key": str(certificate),
        "/var/log/nginx/rs-systems.log": str(log),
        "127.0.0.1:8000": f"{LOOPBACK}:{site.port}",
    }.items():
        assert ours in example
        example = example.replace(ours, theirs)
    (tmp_path / "site.conf").write_text(example)
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"{user} daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;"
        f" events {{}} http {{ {folders} access_log off; include {tmp_path}/site.conf; }}"
    )
    process = subprocess.Popen(
        ["nginx", "-e", tmp_path / "error.log", "-c", main], preexec_fn=die_with_parent
    )
    wait_until(lambda: not port_is_free(port), "nginx listens")
    yield Proxy(port, authority.certificate, log)
    process.terminate()
    process.wait(60)
    site.stop()


def test_pages_come_through_and_the_log_has_no_query(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/login/?q=jane@fleet.example").status == 200
    wait_until(lambda: "GET /login/" in proxy.log.read_text(), "the request is logged")
    assert "fleet.example" not in proxy.log.read_text()


def test_limits_of_the_example_are_those_of_the_site(proxy: Proxy) -> None:
    at_the_limit = b"a" * MAX_BODY_BYTES
    # SNS's endpoint looks into it and refuses it.
    assert proxy.ask("POST", "/webhooks/aws/sns", body=at_the_limit).status == 403
    refused = proxy.ask("POST", "/webhooks/aws/sns", body=at_the_limit + b"a")
    assert (refused.status, refused.read().decode()) == (413, TOO_LARGE)
    # Nobody is signed in, but it comes through to the site.
    file = b"a" * MAX_UPLOAD_BYTES
    assert proxy.ask("POST", UPLOADS, body=file).status == 403
    assert proxy.ask("POST", UPLOADS, body=file + b"a").status == 413


def test_a_photo_may_be_larger_and_one_too_large_is_explained(proxy: Proxy) -> None:
    path = "/repairs/7/photos/"
    # Without a session it has no CSRF token, so the site itself has answered.
    assert proxy.ask("POST", path, body=b"a" * MAX_PHOTO_BODY_BYTES).status == 403
    refused = proxy.ask("POST", path, body=b"a" * (MAX_PHOTO_BODY_BYTES + 1))
    assert refused.status == 303
    assert refused.getheader("Location") == "https://localhost/photo-too-large/"
    assert proxy.ask("GET", "/photo-too-large/").status == 200


def test_sign_ins_of_one_address_have_a_rate(proxy: Proxy) -> None:
    statuses = {proxy.ask("POST", "/admin/login/").status for _ in range(30)}
    assert statuses == {403, 429}


def test_the_health_check_is_not_public(proxy: Proxy) -> None:
    for path in ("/healthz", "/health/live", "/health/ready"):
        assert proxy.ask("GET", path).status == 404
