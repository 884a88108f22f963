"""The variables that the parts of a kind's messages may use, and their values."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args

from .kinds import Context, NotificationKind, Picture
from .parts import SHARED, Part

#: Those of every message.
COMMON: Mapping[str, type] = {
    "action_url": str,
    "site_url": str,
    "brand.name": str,
    "brand.phone": str,
}
#: Variables that are addresses of this site, so a link may lead there.
LINKS = frozenset({"action_url", "site_url"})
#: Characters of one value; the rest is cut.
LONGEST_VALUE = 2000


@cache
def of(kind: NotificationKind, part: Part) -> Mapping[str, type]:
    """Return the names that the part may use, such as "job.unit", with the type of each."""
    names = {**dict(_fields(type(kind.sample))), **COMMON}
    if part in SHARED:
        return names
    return {**names, "recipient_name": str, **dict.fromkeys(kind.secrets, str)}


def _fields(model: type[Context], before: str = "") -> Iterator[tuple[str, type]]:
    for name, field in model.model_fields.items():
        found = _plain_type(field.annotation)
        if issubclass(found, Picture):
            continue
        if issubclass(found, Context):
            yield from _fields(found, f"{before}{name}.")
        else:
            yield before + name, found


def _plain_type(annotation: Any) -> type:
    """Return the type itself; of a union with None, the other one."""
    if isinstance(annotation, type):
        return annotation
    found: type = next(each for each in get_args(annotation) if each is not NoneType)
    return found


def cut(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with each text cut to LONGEST_VALUE."""
    return {
        name: cut(value)
        if isinstance(value, dict)
        else value[:LONGEST_VALUE]
        if isinstance(value, str)
        else value
        for name, value in values.items()
    }


def on_one_line(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without line breaks in their texts."""
    return {
        name: on_one_line(value)
        if isinstance(value, dict)
        else " ".join(value.split())
        if isinstance(value, str)
        else value
        for name, value in values.items()
    }
