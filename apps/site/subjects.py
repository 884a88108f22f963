"""What messages are about, for pages that know nothing of repairs.

A message refers to a row (`Notification.about`). The app that owns the row's model registers an
adapter here; the notification center asks it for the row's present state and its actions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model, QuerySet


@dataclass(frozen=True)
class SubjectAction:
    """Something that the reader can do to the subject now."""

    name: str
    label: str
    #: The page with the action's own form; empty if the center's form is enough.
    url: str = ""
    #: The label of a text that the action needs, and the sentence that says who reads it.
    asks: str = ""
    hint: str = ""
    #: What to say if that text is missing.
    missing: str = ""
    is_main: bool = False


@dataclass(frozen=True)
class Subject:
    """The present state of a row, as one person may see it."""

    number: str
    unit: str
    summary: str
    url: str
    #: The name of the state's icon and CSS class, and the state in words.
    state: str
    state_label: str
    #: Who brought it into this state, and when: "Luis Romero, Nov 28, 9:02 AM"; may be empty.
    since: str = ""
    actions: tuple[SubjectAction, ...] = ()


@dataclass(frozen=True)
class Done:
    """What an action did, for the user, and the URL that takes it back, if one does."""

    text: str
    undo_url: str = ""


class ActionRefused(Exception):
    """The action was not carried out; the text is for the user."""

    def __init__(self, text: str, *, is_news: bool = False, is_missing: bool = False) -> None:
        super().__init__(text)
        #: The text that the action asks for is missing.
        self.is_missing = is_missing
        #: Another person was first. That is no error of the user's.
        self.is_news = is_news


class Adapter(Protocol):
    """Tells the center about the rows of one model; an app registers one for each of its models."""

    model: type[Model]

    def waiting(self, user: AbstractBaseUser) -> QuerySet[Any]:
        """Return the rows that wait for something that this user has to do."""
        ...

    def matching(self, user: AbstractBaseUser, words: str) -> QuerySet[Any]:
        """Return the rows that a search of this user finds."""
        ...

    def describe(self, user: AbstractBaseUser, keys: Iterable[str]) -> dict[str, Subject]:
        """Return the subjects by primary key, as text; those that the user may not see are left
        out."""
        ...

    def act(self, user: AbstractBaseUser, key: str, action: str, given: Mapping[str, str]) -> Done:
        """Carry out the action and return what was done; raise ActionRefused if it was not."""
        ...


_adapters: dict[type[Model], Adapter] = {}


def register(adapter: Adapter) -> None:
    _adapters[adapter.model] = adapter


def adapters() -> list[Adapter]:
    return list(_adapters.values())


def adapter_of(model: type[Model] | None) -> Adapter | None:
    return _adapters.get(model) if model else None
