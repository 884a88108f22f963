"""Points the settings to services of the test run's own, before anything loads them."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from unittest.mock import patch

import django
import pytest
import redis

from .support import secrets_manager, services

#: Instead of the timeout in pyproject.toml: several workers and a browser start slowly on a busy
#: machine, and each wait has an end of its own.
SERVICES_TIMEOUT_S = 300


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rs-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _start_redis() -> services.Redis:
    server = services.Redis(_folder)
    atexit.register(server.stop)
    server.start()
    return server


def _choose_database() -> str:
    """SQLite, or with TEST_DATABASE=postgresql the server of TEST_DATABASE_URL or a private one."""
    chosen = os.environ.get("TEST_DATABASE", "sqlite")
    if chosen == "sqlite":
        return f"sqlite:///{_folder / 'db.sqlite3'}"
    if chosen != "postgresql":
        raise pytest.UsageError(f"TEST_DATABASE is {chosen!r}; it must be sqlite or postgresql.")
    if url := os.environ.get("TEST_DATABASE_URL"):
        return url
    server = services.PostgreSQL(_new_folder())
    atexit.register(server.stop)
    server.start()
    return server.url


_folder = _new_folder()
_redis = _start_redis()
os.environ.update(services.environment(_folder, _redis.url, _choose_database()))
django.setup()

pytest_plugins = ["tests.support.fixtures"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """A node has services of its own, and must not load the settings before it has them."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_report_header() -> str:
    return f"database: {os.environ['DATABASE_URL'].partition(':')[0]}, broker: {_redis.url}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The second run repeats what another database could change, and nothing else."""
    on_postgresql = os.environ.get("TEST_DATABASE") == "postgresql"
    wanted = [
        item
        for item in items
        if (_touches_the_database(item) if on_postgresql else not _needs_postgresql(item))
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted
    for item in wanted:
        if _starts_processes(item):
            item.add_marker(pytest.mark.timeout(SERVICES_TIMEOUT_S))
    if any(item.get_closest_marker("browser") for item in wanted):
        _be_patient_with_browsers()


def _be_patient_with_browsers() -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)


def _starts_processes(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("browser", "services"))


def _needs_postgresql(item: pytest.Item) -> bool:
    return item.get_closest_marker("postgresql") is not None


def _touches_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool({"db", "transactional_db"} & fixtures or item.get_closest_marker("django_db"))


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The private Redis that CELERY_BROKER_URL names, which each test run has to itself."""
    return _redis.url


@pytest.fixture
def redis_server() -> Iterator[services.Redis]:
    """The same Redis, empty, for a test that stops it; running again afterwards."""
    redis.Redis.from_url(_redis.url).flushall()
    yield _redis
    _redis.stop()
    _redis.start()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    from django.db import connection

    if connection.vendor == "sqlite":
        # A file, since a database in memory is invisible to the workers.
        connection.settings_dict["TEST"]["NAME"] = connection.settings_dict["NAME"]


@pytest.fixture
def worker(
    transactional_db: None, redis_url: str, tmp_path: Path
) -> Iterator[Callable[..., services.Worker]]:
    """Starts a real Celery worker on the test database: `worker(concurrency=2, AWS_SES_PORT="…")`.

    The broker is emptied first: what other tests enqueued is about rows that are gone.
    """
    redis.Redis.from_url(redis_url).flushall()
    numbers = count(1)
    with ExitStack() as running:

        def start(concurrency: int = 1, queues: str = "", **variables: str) -> services.Worker:
            name = f"worker{next(numbers)}@tests"
            return running.enter_context(
                services.running_worker(tmp_path, name, concurrency, queues, **variables)
            )

        yield start


@pytest.fixture(scope="module")
def _secrets_manager() -> Iterator[secrets_manager.SecretsManager]:
    with secrets_manager.running_secrets_manager() as running:
        yield running


@pytest.fixture
def manager(
    _secrets_manager: secrets_manager.SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[secrets_manager.SecretsManager]:
    """Where this process and those that it starts find their secret; none has read it yet."""
    from rs_systems import secret

    _secrets_manager.begin_anew()
    monkeypatch.setattr(secret, "_given", None)
    secret._session.cache_clear()
    with patch.dict(os.environ, _secrets_manager.variables):
        yield _secrets_manager
    secret._session.cache_clear()
