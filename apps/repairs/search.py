"""Search in repairs by what their cards show; case and Spanish accents do not matter."""

from collections.abc import Iterator
from typing import Any

from django.db.models import CharField, Q, Transform
from django.utils.translation import gettext

from .models import Damage, Position
from .models.numbering import primary_key
from .models.repair import RepairQuerySet

#: Those of Spanish; SQLite refuses expressions that nest deeper than for a few letters.
ACCENTED = "áéíóúüñÁÉÍÓÚÜÑ"
PLAIN = "aeiouun" * 2
_TO_PLAIN = str.maketrans(ACCENTED, PLAIN)
_PEOPLE = [
    f"{person}__user__{name}"
    for person in ("technician", "requested_by")
    for name in ("first_name", "last_name", "username")
]
_UNIT_FIELDS = ["unit__number", "unit__plate", "unit__description", "unit__company__name"]
_FIELDS = [*_UNIT_FIELDS, *_PEOPLE]
#: Words that people type before a unit's number.
_BEFORE_A_NUMBER = {"unit", "unidad"}


@CharField.register_lookup
class Plain(Transform):
    """The text in lower case and without accents."""

    lookup_name = "plain"
    function = "LOWER"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = f"TRANSLATE(%(function)s(%(expressions)s), '{ACCENTED}', '{PLAIN}')"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "%(function)s(%(expressions)s)"
        for accented, letter in _TO_PLAIN.items():
            template = f"REPLACE({template}, '{chr(accented)}', '{chr(letter)}')"
        return self.as_sql(compiler, connection, template=template, **context)


def plain(text: str) -> str:
    return text.lower().translate(_TO_PLAIN)


def search(repairs: RepairQuerySet, words: str) -> RepairQuerySet:
    """Return the repairs that match every word: "unit 417", "417 crack", "R-1042", "jane"."""
    for condition in _conditions(plain(words).split()):
        repairs = repairs.filter(condition)
    return repairs


def _conditions(words: list[str]) -> Iterator[Q]:
    is_unit = False
    for word in words:
        if word in _BEFORE_A_NUMBER and word != words[-1]:
            is_unit = True
        elif is_unit:
            is_unit = False
            yield Q(unit__number__plain__contains=word)
        else:
            yield _matches(word)


def _matches(word: str) -> Q:
    found = Q(damage__in=_choices(Damage, word)) | Q(position__in=_choices(Position, word))
    for field in _FIELDS:
        found |= Q(**{f"{field}__plain__contains": word})
    if (key := primary_key(word)) is not None:
        found |= Q(batch=key) if word[0] == "b" else Q(pk=key)
    return found


def _choices(kind: type[Damage] | type[Position], word: str) -> list[str]:
    """Return the values whose label, or English name, has the word."""
    return [
        each.value
        for each in kind
        if word in plain(gettext(str(each.label))) or word in each.value.split("_")
    ]
