"""What docs/deploy.md asks people to run."""

import contextlib
import getpass
import io
import re
import textwrap

import pytest

from tools.supervisor import ROOT

TEXT = (ROOT / "docs" / "deploy.md").read_text()
# AWS's example of a secret access key, and SES's password for it in us-east-1.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PASSWORD = "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"


def test_the_lines_for_the_smtp_password_derive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.setattr(getpass, "getpass", lambda _: SECRET)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(textwrap.dedent(lines), {})  # noqa: S102
    assert printed.getvalue().strip() == PASSWORD


def test_every_file_that_it_names_is_there() -> None:
    for path in re.findall(r"deploy/[a-z]+/[\w.-]+\.\w+", TEXT):
        assert (ROOT / path).is_file(), path
