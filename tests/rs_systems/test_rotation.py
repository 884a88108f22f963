"""The secret rotates while processes run."""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString
from unittest.mock import patch
from urllib.parse import urlsplit

import dj_database_url
import psycopg
import pytest
from celery.signals import task_failure, task_prerun
from django.core.signals import request_started
from django.db import OperationalError, connections
from django.test import Client

from apps.core.delivery import wakeups
from apps.core.exceptions import ChannelUnavailableError
from apps.core.guards import circuit_breaker
from apps.core.models import ChannelStop, Delivery
from apps.core.providers import email_provider, memory
from apps.core.states import Channel, DeliveryState
from rs_systems import rotation, secret
from rs_systems.celery import debug_task
from sandbox.testing import SMTP_PASSWORD, running_sandbox
from tests.support.attempts import attempt
from tests.support.secrets_manager import SecretsManager
from tests.support.services import PostgreSQL, Worker, wait_until, wait_with_beat

pytestmark = pytest.mark.usefixtures("memory_providers")

DATABASE = "postgres://user:before@db.example:5432/rs"
FIRST = {"AWS_SES_SMTP_PASSWORD": "before", "DATABASE_URL": DATABASE, "SECRET_KEY": "before"}


@pytest.fixture
def running(
    db: None, manager: SecretsManager, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretsManager]:
    """This process has read its secret, and looks at it before each request."""
    for name in FIRST:
        os.environ.pop(name, None)
    manager.put(**FIRST)
    secret.load()
    manager.asked.clear()
    settings.EMAIL_HOST_PASSWORD = "before"
    settings.AWS_SECRETS_REFRESH_S = 0
    # Long enough for a slow machine.
    monkeypatch.setattr(secret, "LATER", secret.AT_START._replace(read_s=60, tries=1))
    monkeypatch.setattr(rotation, "SOONEST_S", 0)
    monkeypatch.setattr(rotation, "_watch", rotation.Watch(time.monotonic()))
    rotation.watch()
    with patch.dict(settings.DATABASES["default"]):
        yield manager
    for signal, receiver in rotation.OCCASIONS:
        signal.disconnect(receiver)


def rotated(manager: SecretsManager, **values: str) -> None:
    manager.put(**(FIRST | values))


def begin_request() -> None:
    request_started.send(sender=None)


def test_a_new_smtp_password_is_used_for_the_next_connection(
    running: SecretsManager, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = email_provider()
    rotated(running, AWS_SES_SMTP_PASSWORD="after")
    with caplog.at_level(logging.INFO):
        begin_request()
    assert settings.EMAIL_HOST_PASSWORD == os.environ["AWS_SES_SMTP_PASSWORD"] == "after"
    assert email_provider() is not before
    assert "secret rotated, in use from now on: AWS_SES_SMTP_PASSWORD" in caplog.text
    assert "after" not in caplog.text


def test_a_new_database_password_is_used_for_new_connections(
    running: SecretsManager, settings: Any
) -> None:
    database = settings.DATABASES["default"]
    database.update(dj_database_url.parse(DATABASE))
    rotated(running, DATABASE_URL=DATABASE.replace("before", "af%2Fter"))
    begin_request()
    assert database["PASSWORD"] == "af/ter"


@pytest.mark.parametrize("url", [DATABASE.replace("db.example", "other.example"), "not-a-url://x"])
def test_another_database_needs_a_restart(
    running: SecretsManager, settings: Any, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    settings.DATABASES["default"].update(dj_database_url.parse(DATABASE))
    rotated(running, DATABASE_URL=url)
    begin_request()
    assert settings.DATABASES["default"]["HOST"] == "db.example"
    assert "secret changed, restart for: DATABASE_URL" in caplog.text
    assert url not in caplog.text


def test_a_variable_that_needs_a_restart_is_logged_once(
    running: SecretsManager, caplog: pytest.LogCaptureFixture
) -> None:
    rotated(running, SECRET_KEY="after", NEW="new")
    begin_request()
    begin_request()
    assert caplog.text.count("secret changed, restart for: NEW, SECRET_KEY") == 1
    assert os.environ["SECRET_KEY"] == "before"


def test_a_value_that_the_host_sets_does_not_rotate(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.environ["AWS_SES_SMTP_PASSWORD"] = "ours"
    manager.put(**FIRST)
    secret.load()
    rotated(manager, AWS_SES_SMTP_PASSWORD="after")
    assert secret.renew() == {}


def test_an_unreachable_secret_leaves_the_values_in_use(
    running: SecretsManager, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rotated(running, AWS_SES_SMTP_PASSWORD="after")
    running.refuse("AccessDeniedException")
    begin_request()
    assert settings.EMAIL_HOST_PASSWORD == "before"
    assert "secret not read, the previous values stay in use" in caplog.text
    begin_request()
    assert settings.EMAIL_HOST_PASSWORD == "after"


def test_the_secret_is_not_read_more_often_than_configured(
    running: SecretsManager, settings: Any
) -> None:
    settings.AWS_SECRETS_REFRESH_S = 300
    for _ in range(5):
        begin_request()
        task_prerun.send(sender=None)
    assert running.asked == []


def test_other_threads_do_not_wait_for_the_one_that_reads(running: SecretsManager) -> None:
    running.open.clear()
    asking = threading.Thread(target=begin_request)
    asking.start()
    wait_until(lambda: running.asked, "the first thread reads")
    begin_request()
    assert asking.is_alive(), "the first thread still waits"
    running.open.set()
    asking.join()
    assert len(running.asked) == 1


def test_a_refusal_does_not_stop_the_channel_if_the_password_changed(
    running: SecretsManager, settings: Any, delivery: Callable[..., Delivery]
) -> None:
    settings.AWS_SECRETS_REFRESH_S = 300
    rotated(running, AWS_SES_SMTP_PASSWORD="after")
    row = delivery()
    memory.failures.append(ChannelUnavailableError("Authentication failed", code="535"))
    attempt(row.pk)
    assert settings.EMAIL_HOST_PASSWORD == "after"
    assert not ChannelStop.objects.exists()
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.DUE
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.ACCEPTED


def test_a_refusal_stops_the_channel_if_the_password_is_the_same(
    running: SecretsManager, db: None
) -> None:
    circuit_breaker.stop(
        Channel.EMAIL, ChannelUnavailableError("Authentication failed", code="535")
    )
    assert ChannelStop.objects.exists()
    assert len(running.asked) == 1


def test_a_database_error_in_a_request_reads_the_secret(
    running: SecretsManager, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AWS_SECRETS_REFRESH_S = 300
    rotated(running, AWS_SES_SMTP_PASSWORD="after")

    def refuse(self: Any, request: Any) -> None:
        raise OperationalError("password authentication failed")

    monkeypatch.setattr("apps.site.middleware.HealthCheckMiddleware.__call__", refuse)
    assert Client(raise_request_exception=False).get("/").status_code == 500
    assert settings.EMAIL_HOST_PASSWORD == "after"


def test_another_error_in_a_task_does_not_read_the_secret(
    running: SecretsManager, settings: Any
) -> None:
    task_failure.send(sender=None, exception=ValueError("a bug"))
    assert running.asked == []


@pytest.fixture
def postgresql(django_db_blocker: Any) -> Iterator[PostgreSQL]:
    """Yield a private server that asks the user `rotating` for a password."""
    folder = Path(tempfile.mkdtemp(prefix="rs-tests-"))
    server = PostgreSQL(folder)
    server.start()
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text(f"local all rotating scram-sha-256\n{rules.read_text()}")
    administer(server, "SELECT pg_reload_conf()", "CREATE ROLE rotating LOGIN PASSWORD 'before'")
    with django_db_blocker.unblock():
        yield server
    server.stop()
    shutil.rmtree(folder)


def test_a_changed_postgresql_password_is_used_after_one_refusal(
    running: SecretsManager, settings: Any, postgresql: PostgreSQL
) -> None:
    url = url_of(postgresql, "rotating:before")
    settings.DATABASES["default"].update(dj_database_url.parse(url) | {"OPTIONS": {}})
    rotated(running, DATABASE_URL=url)
    begin_request()
    ours = connections.create_connection("default")
    ours.ensure_connection()
    settings.AWS_SECRETS_REFRESH_S = 300

    administer(postgresql, "ALTER ROLE rotating PASSWORD 'after'")
    rotated(running, DATABASE_URL=url_of(postgresql, "rotating:after"))
    ours.close()
    with pytest.raises(OperationalError, match="password authentication failed") as refused:
        ours.ensure_connection()
    task_failure.send(sender=None, exception=refused.value)
    ours.ensure_connection()
    ours.close()


def administer(server: PostgreSQL, *statements: LiteralString) -> None:
    with psycopg.connect(url_of(server, "postgres"), autocommit=True) as administrator:
        for statement in statements:
            administrator.execute(statement)


def url_of(server: PostgreSQL, user: str) -> str:
    place = urlsplit(server.url)
    host = place.netloc.partition("@")[2]
    return place._replace(netloc=f"{user}@{host}", path="/postgres").geturl()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_running_worker_sends_with_the_rotated_password(
    manager: SecretsManager, worker: Callable[..., Worker], delivery: Callable[..., Delivery]
) -> None:
    manager.put(AWS_SES_SMTP_PASSWORD="before")
    with running_sandbox() as sandbox:
        worker(
            AWS_SES_PORT=str(sandbox.smtp_port),
            AWS_SES_SMTP_PASSWORD="",
            AWS_SECRETS_REFRESH_S="1",
            **manager.variables,
        )
        manager.put(AWS_SES_SMTP_PASSWORD=SMTP_PASSWORD)
        manager.asked.clear()
        wait_until(
            lambda: debug_task.delay() and manager.asked, "the worker has read the secret again"
        )
        row = delivery()
        wakeups.wake([row])
        accepted = Delivery.objects.filter(pk=row.pk, state=DeliveryState.ACCEPTED)
        wait_with_beat(accepted.exists, "it is accepted")


def test_a_forked_process_reads_the_secret_before_its_first_task(
    running: SecretsManager, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AWS_SECRETS_REFRESH_S = 300
    rotated(running, AWS_SES_SMTP_PASSWORD="after")
    begin_request()
    assert settings.EMAIL_HOST_PASSWORD == "before"
    # As in a process that was just forked.
    rotation._reset_in_child()
    begin_request()
    assert settings.EMAIL_HOST_PASSWORD == "after"
