"""Starts Redis and a database for this test run, before anything loads the settings."""

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
import hypothesis
import pytest
import redis

from .support import secrets_manager, services

#: In place of the timeout in pyproject.toml. Workers and browsers start slowly on a busy machine,
#: and each wait in these tests has its own limit.
SERVICES_TIMEOUT_S = 300
#: The marker of every test below a folder.
FOLDERS = {Path(__file__).parent / name: name for name in ("aws", "sandbox")}
#: The fixtures that start a process. A test that uses one is marked `services`.
PROCESSES = {"manager", "redis_server", "running", "stack", "worker"}


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
    """Return the URL of the database that TEST_DATABASE names: `sqlite` or `postgresql`.

    PostgreSQL is the server of TEST_DATABASE_URL, or a private one.
    """
    chosen = os.environ.get("TEST_DATABASE", "sqlite")
    if chosen == "sqlite":
        return f"sqlite:///{_folder / 'db.sqlite3'}"
    if chosen != "postgresql":
        raise pytest.UsageError(f"TEST_DATABASE is {chosen!r}; it must be sqlite or postgresql.")
    if url := os.environ.get("TEST_DATABASE_URL"):
        return url
    server = services.PostgreSQL(_new_folder(), "--max_connections=300")
    atexit.register(server.stop)
    server.start()
    return server.url


_folder = _new_folder()
_redis = _start_redis()
os.environ.update(services.environment(_folder, _redis.url, _choose_database()))
django.setup()

# No test is timed, and none depends on what an earlier run happened to find.
hypothesis.settings.register_profile("house", deadline=None, database=None)
hypothesis.settings.load_profile("house")

pytest_plugins = ["tests.support.fixtures", "tests.support.browsing"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each node start its own Redis, and share this process's PostgreSQL."""
    # A node must not load the settings before it has set its own variables.
    del os.environ["DJANGO_SETTINGS_MODULE"]
    if os.environ.get("TEST_DATABASE") == "postgresql":
        # pytest-django gives each node its own database on it.
        os.environ["TEST_DATABASE_URL"] = os.environ["DATABASE_URL"]


def pytest_report_header() -> str:
    return f"database: {os.environ['DATABASE_URL'].partition(':')[0]}, broker: {_redis.url}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Mark the tests before -m selects among them; order them after it has."""
    _mark(config, items)
    yield
    if "PYTEST_XDIST_WORKER" in os.environ:
        _begin_with_long_files(items)


def _mark(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the markers that follow from a test's folder and fixtures."""
    for item in items:
        for folder, marker in FOLDERS.items():
            if item.path.is_relative_to(folder):
                item.add_marker(marker)
        if PROCESSES & set(getattr(item, "fixturenames", ())):
            item.add_marker("services")
        if _has_marker(item, "browser", "services"):
            item.add_marker(pytest.mark.timeout(SERVICES_TIMEOUT_S))
    if os.environ.get("TEST_DATABASE") != "postgresql":
        unfit = [item for item in items if _has_marker(item, "postgresql")]
        config.hook.pytest_deselected(items=unfit)
        items[:] = [item for item in items if item not in unfit]
    if any(_has_marker(item, "browser") for item in items):
        _be_patient_with_browsers()


def _begin_with_long_files(items: list[pytest.Item]) -> None:
    """Order files with browsers first and those with processes next, so that none ends a run.

    `make test` gives each node whole files, in this order.
    """
    is_browser, is_services = (
        {item.path for item in items if _has_marker(item, name)} for name in ("browser", "services")
    )
    items.sort(key=lambda item: (item.path not in is_browser, item.path not in is_services))


def _has_marker(item: pytest.Item, *names: str) -> bool:
    return any(item.get_closest_marker(name) for name in names)


def _be_patient_with_browsers() -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Return the URL of this process's private Redis, which CELERY_BROKER_URL names."""
    return _redis.url


@pytest.fixture
def redis_server() -> Iterator[services.Redis]:
    """Yield the same Redis, empty, for a test that stops it. It runs again afterwards."""
    redis.Redis.from_url(_redis.url).flushall()
    yield _redis
    _redis.stop()
    _redis.start()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    from django.db import connection

    if connection.vendor == "sqlite":
        # A file, since workers cannot see another process's database in memory.
        connection.settings_dict["TEST"]["NAME"] = connection.settings_dict["NAME"]


@pytest.fixture
def worker(
    transactional_db: None, redis_url: str, tmp_path: Path
) -> Iterator[Callable[..., services.Worker]]:
    """Starts a real Celery worker on the test database: `worker(concurrency=2, AWS_SES_PORT="…")`.

    Empties the broker first, since other tests' wake-ups name rows that are gone.
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
    """Yield a Secrets Manager for this process and its children; none has read its secret."""
    from rs_systems import secret

    _secrets_manager.begin_anew()
    monkeypatch.setattr(secret, "_given", None)
    secret._session.cache_clear()
    with patch.dict(os.environ, _secrets_manager.variables):
        yield _secrets_manager
    secret._session.cache_clear()
