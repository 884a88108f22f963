"""Compare two texts word by word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

#: Words, and the white space between them, which stays as it is.
_TOKENS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A piece of both texts, of the new one (`inserted`), or of the old one (`deleted`)."""

    change: str
    text: str


def compare(old: str, new: str) -> list[Piece]:
    """Return the pieces from which both texts can be read, in the order of reading."""
    before, after = _TOKENS.findall(old), _TOKENS.findall(new)
    pieces: list[Piece] = []
    gone = come = ""
    for old_part, new_part, is_same in _blocks(before, after):
        # White space alone between two changes belongs to them: they are read as one.
        if is_same and (old_part.strip() or not (gone or come)):
            pieces += [*_changed(gone, come), Piece("", old_part)]
            gone = come = ""
        else:
            gone, come = gone + old_part, come + new_part
    return pieces + _changed(gone, come)


def _blocks(before: list[str], after: list[str]) -> Iterator[tuple[str, str, bool]]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for operation, i, j, k, m in matcher.get_opcodes():
        yield "".join(before[i:j]), "".join(after[k:m]), operation == "equal"


def _changed(gone: str, come: str) -> list[Piece]:
    if gone == come:
        return [Piece("", gone)] if gone else []
    return [Piece(name, text) for name, text in (("deleted", gone), ("inserted", come)) if text]
