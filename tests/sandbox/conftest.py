from collections.abc import Iterator

import pytest

from sandbox.testing import RunningSandbox, running_sandbox


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    """A running sandbox that holds no messages and has no faults."""
    shared_sandbox.clear()
    shared_sandbox.clear_rules()
    return shared_sandbox
