"""The kinds of notification: what each is called, how urgent it is, and what it must be told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.states import Priority

#: A value that is shown to a person: never blank.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Count = Annotated[int, Field(ge=1)]
#: US dollars. JSON has no decimals, so the text "412.50" is taken too; a float is not.
Money = Annotated[Decimal, Field(strict=False, ge=0, max_digits=9, decimal_places=2)]


def format_money(amount: Decimal) -> str:
    """Return US dollars as a person writes them, as in $1,412.50."""
    return f"${amount:,.2f}"


class Context(BaseModel):
    """Base of a kind's context type. Every field is required unless it says otherwise."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


@dataclass(frozen=True)
class Category:
    """A group of kinds that a person thinks of as one thing."""

    name: str
    label: str


@dataclass(frozen=True)
class NotificationKind:
    """One kind. The type of `sample` is the type of every context; its values feed previews.

    The templates of a kind live in `templates/notifications/<name>/`; docs/adding_a_kind.md
    lists them.
    """

    name: str
    label: str
    category: Category
    priority: Priority
    sample: Context

    def validate(self, context: Mapping[str, Any]) -> Context:
        """The context as its type; raises InvalidContext that names each field refused."""
        try:
            return type(self.sample).model_validate(dict(context))
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_url=False)
            )
            raise InvalidContext(f"context of {self.name!r}: {problems}") from error


_registry: dict[str, NotificationKind] = {}


def register(kind: NotificationKind) -> NotificationKind:
    """Make a kind known; raises ValueError where its name is taken."""
    if _registry.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"notification kind {kind.name!r} is registered twice")
    return kind


def get(name: str) -> NotificationKind:
    """The kind of this name; raises UnknownKind that lists those there are."""
    try:
        return _registry[name]
    except KeyError:
        known = ", ".join(sorted(_registry))
        raise UnknownKind(f"no notification kind {name!r}; registered: {known}") from None


def every() -> Iterator[NotificationKind]:
    """All kinds, in the order of their registration."""
    yield from _registry.values()
