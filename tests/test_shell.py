"""The shell that runs code for a stack's tests."""

import os
from collections.abc import Iterator

import pytest

from tools.shell import Shell

pytestmark = pytest.mark.services


@pytest.fixture
def shell() -> Iterator[Shell]:
    made = Shell(os.environ)
    yield made
    made.close()


def test_code_returns_what_it_printed_and_leaves_nothing_to_the_next(shell: Shell) -> None:
    assert shell("import os\nos.environ['LEFT'] = 'yes'\nprint('a', end='\\nb')") == "a\nb"
    assert shell("import os\nprint(os.environ.get('LEFT'), 'os' in globals())") == "None True\n"


def test_a_failure_is_told_and_the_next_code_runs(shell: Shell) -> None:
    with pytest.raises(RuntimeError, match=r"before\n(.|\n)*ZeroDivisionError"):
        shell("print('before')\n1 / 0")
    assert shell("from apps.core.models import Delivery\nprint(Delivery.__name__)") == "Delivery\n"
