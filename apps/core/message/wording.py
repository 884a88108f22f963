"""The words of each kind in each language: files, and the versions that the office published.

A notification keeps the digest of its words, so it can be composed and shown with the same words
after a new version was published or a deploy changed the file.
"""

import hashlib
import json
import logging
import time
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from apps.core.models import WordingVersion
from apps.core.models.wording import DIGEST_LENGTH, WordingState

from . import kinds
from .parts import Part

logger = logging.getLogger(__name__)

#: Seconds after which a process sees what another one published.
CACHED_S = 5.0


class NoWording(Exception):
    """A kind has no complete file for its words."""


@dataclass(frozen=True)
class Wording:
    """The source of all parts of a kind in a language."""

    kind: str
    language: str
    #: 0 is the file.
    number: int = field(compare=False)
    parts: Mapping[Part, str] = field(compare=False)
    digest: str

    @classmethod
    def of(cls, kind: str, language: str, number: int, parts: Mapping[Any, str]) -> "Wording":
        ordered = {part: parts[part] for part in Part if part in parts}
        text = json.dumps([kind, language, ordered], ensure_ascii=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
        return cls(kind, language, number, ordered, digest)


def of_file(kind: str, language: str) -> Wording:
    """Return the words of the file in this language or its nearest; raise NoWording."""
    for code in chain(language):
        if found := _of_file(kind, code):
            return found
    raise NoWording(f"the kind {kind!r} has no file messages/{settings.LANGUAGE_CODE}/{kind}.toml")


def current(kind: str, language: str) -> Wording:
    """Return the words for a new message: the published version, or else the file."""
    published = _published.get()
    for code in chain(language):
        if found := published.get((kind, code)) or _of_file(kind, code):
            return found
    return of_file(kind, language)


def find(digest: str) -> Wording | None:
    """Return the words with this digest, also those of earlier versions and deployments."""
    if not digest:
        return None
    if found := _of_files().get(digest) or _seen.get(digest):
        return found
    row = WordingVersion.objects.filter(digest=digest).order_by("-number").first()
    if row is None:
        return None
    # A digest always means the same words, so what was found stays true.
    _seen[digest] = _of_row(row)
    return _seen[digest]


def forget() -> None:
    """Read the published versions again at the next call in this process."""
    _published.forget()


def chain(language: str) -> list[str]:
    """Return the languages to try, nearest first: es-mx, es, en."""
    code = (language or settings.LANGUAGE_CODE).lower()
    return list(dict.fromkeys([code, code.split("-")[0], settings.LANGUAGE_CODE]))


def languages() -> list[str]:
    return [code for code, _ in settings.LANGUAGES]


def record_files(using: str = DEFAULT_DB_ALIAS) -> None:
    """Keep the present files in the database, so that a later deploy can still show them."""
    WordingVersion.objects.using(using).bulk_create(
        [
            WordingVersion(
                kind=each.kind,
                language=each.language,
                number=0,
                state=WordingState.FILE,
                parts=each.parts,
                digest=each.digest,
            )
            for each in _of_files().values()
        ],
        ignore_conflicts=True,
    )


@cache
def _of_file(kind: str, language: str) -> Wording | None:
    for app in apps.get_app_configs():
        path = Path(app.path) / "messages" / language / f"{kind}.toml"
        if path.is_file():
            return Wording.of(kind, language, 0, _read(path, kinds.required_parts(kind)))
    return None


def _read(path: Path, required: Collection[Part]) -> dict[Part, str]:
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    if unknown := found.keys() - set(Part):
        raise NoWording(f"{path} has the unknown parts {', '.join(sorted(unknown))}")
    if missing := [part for part in required if not str(found.get(part, "")).strip()]:
        raise NoWording(f"{path} lacks the parts {', '.join(sorted(missing))}")
    return {Part(name): str(source).strip() for name, source in found.items()}


@cache
def _of_files() -> dict[str, Wording]:
    every = product(kinds.worded(), languages())
    return {found.digest: found for each in every if (found := _of_file(*each))}


def _of_row(row: WordingVersion) -> Wording:
    # Parts that a later version of the code no longer knows are left out, so not Wording.of.
    parts = {Part(name): source for name, source in row.parts.items() if name in set(Part)}
    return Wording(row.kind, row.language, row.number, parts, row.digest)


class _Published:
    """The published versions, as this process read them a few seconds ago at most."""

    def __init__(self) -> None:
        self.kept_s = CACHED_S
        self._found: dict[tuple[str, str], Wording] = {}
        self._until = 0.0

    def get(self) -> dict[tuple[str, str], Wording]:
        if time.monotonic() >= self._until:
            rows = WordingVersion.objects.filter(state=WordingState.PUBLISHED)
            self._found = {(row.kind, row.language): _of_row(row) for row in rows}
            self._until = time.monotonic() + self.kept_s
        return self._found

    def forget(self) -> None:
        self._until = 0.0


_published = _Published()
#: By digest, what was read from the database.
_seen: dict[str, Wording] = {}
