import pytest


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """The providers of these tests keep what they are given."""
