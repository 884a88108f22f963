import pytest
import redis


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """The providers of these tests keep what they are given."""


@pytest.fixture(autouse=True)
def _nobody_is_awake(redis_url: str) -> None:
    """Redis remembers no worker of an earlier test."""
    redis.Redis.from_url(redis_url).flushall()
