from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client


@pytest.fixture
def read_only(transactional_db: None) -> Iterator[None]:
    """The database refuses writes, as a replica does, or a primary without space."""
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
