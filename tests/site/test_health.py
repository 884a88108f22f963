from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from apps.site import health
from apps.site.health import Readiness


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Readiness, "worked_at", None)


def answer(path: str) -> tuple[int, str]:
    response = Client().get(path)
    return response.status_code, response.content.decode()


@pytest.fixture
def read_only(transactional_db: None) -> Iterator[None]:
    """Let the database refuse writes, as a replica does, or a primary without space."""
    on, off = {
        "sqlite": ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
        "postgresql": (
            "SET default_transaction_read_only = on",
            "SET default_transaction_read_only = off",
        ),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(on)
    yield
    with connection.cursor() as cursor:
        cursor.execute(off)


def test_a_read_only_database_is_not_healthy(
    read_only: None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (503, b"the database accepts no writes\n")
    assert "not healthy" in caplog.text


def test_a_database_that_accepts_writes_is_healthy(transactional_db: None) -> None:
    assert Client().get("/healthz").content == b"ok"


def test_a_live_process_asks_nothing(read_only: None, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert answer("/health/live") == (200, "ok")


def test_a_process_that_has_never_worked_is_not_ready(read_only: None) -> None:
    assert answer("/health/ready") == (503, "the database accepts no writes\n")


def test_a_process_that_worked_stays_ready_for_a_while(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer("/health/ready") == (200, "ok")
    monkeypatch.setattr(health, "_refused_write", lambda: "the database accepts no writes")
    assert answer("/health/ready") == (200, "ok; for now the database accepts no writes\n")
    assert Readiness.worked_at is not None
    monkeypatch.setattr(Readiness, "worked_at", Readiness.worked_at - health.GRACE_S)
    assert answer("/health/ready")[0] == 503
    assert answer("/health/live") == (200, "ok")


def test_a_process_is_not_ready_before_its_migrations(db: None) -> None:
    recorder = MigrationRecorder(connection)
    newest = MigrationLoader(connection).graph.leaf_nodes("core")[0]
    recorder.record_unapplied(*newest)
    assert answer("/health/ready") == (503, "the database lacks migrations of this version\n")
    recorder.record_applied(*newest)
    assert answer("/health/ready") == (200, "ok")


def test_a_health_check_may_name_any_host(transactional_db: None) -> None:
    for path in health.PATHS:
        assert Client().get(path, headers={"host": "10.0.0.7"}).status_code == 200
