import pytest
import redis


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """Keep in memory what the tests give to the providers."""


@pytest.fixture(scope="session")
def _redis(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture(autouse=True)
def _nobody_is_awake(_redis: redis.Redis) -> None:
    """Redis remembers no worker of an earlier test."""
    _redis.flushall()
