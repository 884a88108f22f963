"""The people by role and company, for pages that know nothing of the business.

The app that owns the roles registers its directory here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet


@dataclass(frozen=True)
class Group:
    """People who can be addressed together."""

    key: str
    label: str
    members: QuerySet[User]


@dataclass(frozen=True)
class Duty:
    """What a person must do when they are told, and the active people who have that duty."""

    label: str
    people: list[User]


class Directory(Protocol):
    def groups(self) -> list[Group]:
        """Return the roles and the companies, with their active members."""
        ...

    def duties(self) -> list[Duty]:
        """Return who must be reached at any time: each company's approvers, and others."""
        ...

    def places(self, users: Iterable[User]) -> dict[int, str]:
        """Return each user's role, and company if there is one, in words, by the user's key."""
        ...

    def peers(self, user: User) -> QuerySet[User]:
        """Return the active people who could stand in for this one."""
        ...

    def records(self, user: User) -> dict[str, Any]:
        """Return what the business stores about a person, as JSON values."""
        ...

    def forget(self, user: User) -> None:
        """Remove the person's name where it stands in words. Their rows stay, for the counts."""
        ...

    def role_form(self, given: Mapping[str, Any] | None) -> forms.ModelForm:
        """Return the form of a new colleague's role. Its instance still needs the user."""
        ...


_directory: Directory | None = None


def register(directory: Directory) -> None:
    global _directory
    _directory = directory


def companies() -> dict[str, str]:
    """Return the companies' names by the key of their group."""
    groups = get().groups()
    return {each.key: each.label for each in groups if each.key.startswith("company:")}


def get() -> Directory:
    assert _directory, "the app of the business registers the directory at its start"
    return _directory
