"""deploy/iam/, which is written from the template."""

import json
import re
from pathlib import Path

import pytest

from tools import iam
from tools.supervisor import ROOT


def test_the_files_are_as_the_template_has_them() -> None:
    assert iam.differences() == []


def test_a_file_that_was_changed_by_hand_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iam, "FOLDER", tmp_path)
    iam.write()
    (tmp_path / "send-sms.json").write_text("{}")
    (tmp_path / "read-events.json").unlink()
    (tmp_path / "of-my-own.json").touch()
    assert iam.differences() == ["of-my-own.json", "read-events.json", "send-sms.json"]


@pytest.mark.parametrize("name", iam.files())
def test_a_file_has_placeholders_in_place_of_the_template_s_functions(name: str) -> None:
    content = iam.files()[name]
    assert set(json.loads(content)) == {"Version", "Statement"}
    assert not re.search(r"Fn::|Ref|\$\{", content)


def test_every_placeholder_is_documented() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    for placeholder in set(iam.PLACEHOLDERS.values()) - {"aws"}:
        assert f"`{placeholder}`" in text
