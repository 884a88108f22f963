"""The kinds of notification: name, urgency, and the type of their context."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.models import Notification
from apps.core.states import Channel, Priority

from .parts import REQUIRED, Part
from .user_text import clean_line, has_visible


def _visible_line(text: str) -> str:
    line = clean_line(text)
    if not has_visible(line):
        raise ValueError("it has no visible characters")
    return line


#: A text that people read, on one line. It loses control, bidi and zero-width characters.
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_visible_line),
]
Count = Annotated[int, Field(ge=1)]
#: US dollars. JSON has no decimals, so the text "412.50" is valid too; a float is not.
Money = Annotated[Decimal, Field(strict=False, ge=0, max_digits=9, decimal_places=2)]


def format_money(amount: Decimal) -> str:
    """Return US dollars as in $1,412.50."""
    return f"${amount:,.2f}"


class Context(BaseModel):
    """Base of a kind's context type; a field is required unless it has a default."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Picture(Context):
    """A picture that the e-mail shows if a context has one as `photo`; parts cannot use it.

    `shows` is what is on it, in words of ours that can be translated.
    """

    #: An absolute URL, or a path of this site, that needs no sign-in.
    url: Text
    #: In pixels.
    width: Count
    height: Count
    shows: Text


@dataclass(frozen=True)
class Category:
    """A group of kinds that people think of as one thing."""

    name: str
    label: str
    #: People cannot choose about its kinds: they are always sent, or are not for people.
    is_fixed: bool = False


class Tone(StrEnum):
    """What a message feels like: the color of its e-mail's line and state."""

    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    NEWS = "news"


@dataclass(frozen=True, eq=False)
class NotificationKind:
    """One kind. The type of `sample` is the type of every context; its values feed previews.

    Its words are in `messages/<language>/<name>.toml`; docs/adding_a_kind.md lists their parts.
    """

    name: str
    label: str
    category: Category
    priority: Priority
    sample: Context
    #: What happened, in a digest's line: "approved". Empty: the label in lower case.
    event: str = ""
    #: The channels that no one can switch off, those that are never used, and those that are on
    #: unless a person or company chooses otherwise (None: all that the priority takes).
    required: frozenset[Channel] = frozenset()
    forbidden: frozenset[Channel] = frozenset()
    default: frozenset[Channel] | None = None
    #: The channels that it takes besides those of its priority.
    also: frozenset[Channel] = frozenset()
    #: The last channel outside the app stays on, even if a person or company switched it off.
    keeps_one_outside: bool = False
    #: It is never held, as a verification code.
    is_never_held: bool = False
    #: After this time, or once it was read in the app, it is not sent any more.
    expires_after: timedelta | None = None
    is_stale_when_read: bool = False
    #: The first one goes at once; those that follow within this time go together at its end.
    bundle: timedelta | None = None
    #: It goes to the deputy too while its recipient has paused.
    goes_to_deputy: bool = False
    tone: Tone = Tone.NEWS
    #: By variable, what makes values for its e-mail and text message that must not be stored, such
    #: as a code.
    secrets: Mapping[str, Callable[[Notification], str]] = field(default_factory=dict)

    def validate(self, context: Mapping[str, Any]) -> Context:
        """Return the context as its type; raise InvalidContext, which names each refused field."""
        try:
            return type(self.sample).model_validate(dict(context))
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_url=False)
            )
            raise InvalidContext(f"context of {self.name!r}: {problems}") from error

    def __post_init__(self) -> None:
        if both := self.required & self.forbidden:
            raise ValueError(f"kind {self.name!r} requires and forbids {', '.join(sorted(both))}")

    @property
    def happening(self) -> str:
        return self.event or self.label.lower()


#: Every kind by its name, in the order of registration.
REGISTRY: dict[str, NotificationKind] = {}


class Thing(Context):
    name: Text


class Folded(Context):
    """What the words of a digest may use. `others` counts the things after the first."""

    first: Thing
    count: Count
    others: Annotated[int, Field(ge=0)]
    is_daily: bool = False
    is_after_pause: bool = False


#: The words of a digest. It is no kind of notification, so it is not registered.
FOLDED = NotificationKind(
    "folded",
    "Digest",
    Category("folded", "Digests", is_fixed=True),
    Priority.MEDIUM,
    Folded(first=Thing(name="R-1042, unit 417"), count=3, others=2, is_daily=True),
)


def worded() -> dict[str, NotificationKind]:
    """Return what has words in files and versions, by name: every kind, and the digest."""
    return {**REGISTRY, FOLDED.name: FOLDED}


def required_parts(name: str) -> frozenset[Part]:
    """Return the parts that must be worded; a digest has no text in the app."""
    return REQUIRED - {Part.TEXT} if name == FOLDED.name else REQUIRED


def register(kind: NotificationKind) -> NotificationKind:
    """Add a kind; raise ValueError if its name is in use."""
    if REGISTRY.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"notification kind {kind.name!r} is registered twice")
    return kind


def get(name: str) -> NotificationKind:
    """Return the kind of this name; raise UnknownKind, which lists the registered names."""
    try:
        return REGISTRY[name]
    except KeyError:
        known = ", ".join(sorted(REGISTRY))
        raise UnknownKind(f"no notification kind {name!r}; registered: {known}") from None


def category_label(name: str) -> str:
    """Return the label of a category, or its name in words if no kind has it any more."""
    for kind in REGISTRY.values():
        if kind.category.name == name:
            return kind.category.label
    return name.replace("_", " ").capitalize()
