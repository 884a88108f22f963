import pytest
import redis


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """Keep in memory what the tests give to the providers."""


@pytest.fixture(autouse=True)
def _no_worker_is_awake(redis_url: str) -> None:
    """Make Redis forget the workers of earlier tests."""
    redis.Redis.from_url(redis_url).flushall()
