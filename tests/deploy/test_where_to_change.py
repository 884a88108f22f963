"""docs/where_to_change.md names files that exist, and names that stand in them."""

import re
from pathlib import Path

import pytest

from tools.supervisor import ROOT

TEXT = (ROOT / "docs" / "where_to_change.md").read_text()
ROWS = re.findall(r"^\| (?!I want|---)(.+?) \| (.+) \|$", TEXT, re.MULTILINE)
FOLDERS = ("apps", "deploy", "docs", "rs_systems", "tools", "web")
FILES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*") if path.is_file()]
VARIABLES = (ROOT / "rs_systems" / "variables.py").read_text()


@pytest.mark.parametrize(("wish", "where"), ROWS, ids=[wish for wish, _ in ROWS])
def test_a_row_names_what_is_there(wish: str, where: str) -> None:
    quoted = set(re.findall(r"`([^` <]+)`", where))
    paths = {each for each in quoted if "/" in each or re.search(r"\.[a-z]+$", each)}
    found = {path: _named(path) for path in paths}
    assert all(found.values()), found
    text = VARIABLES + "".join(file.read_text() for files in found.values() for file in files)
    for name in quoted - paths:
        assert name.strip(".…") in text, name


def _named(path: str) -> list[Path]:
    """Return the files with this path, below this folder, or with this name."""
    whole = ROOT / path
    if whole.is_dir():
        return [
            file
            for file in FILES
            if whole in file.parents and file.suffix in (".py", ".html", ".json")
        ]
    return [file for file in FILES if file == whole or str(file).endswith(f"/{path}")]
