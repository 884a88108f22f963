import pytest


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """Send to the in-memory providers."""
