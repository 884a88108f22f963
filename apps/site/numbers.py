"""What the numbers that people say on the phone mean, for the admin's search.

The admin of messages knows nothing of repairs: each app registers a function for its numbers.
"""

from collections.abc import Callable, Iterable

from django.db.models import Model

Finder = Callable[[str], Iterable[Model]]
_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """Add a function that returns the rows which a typed number names."""
    _finders.append(finder)


def find(typed: str) -> list[Model]:
    """Return the rows of every app which the typed number names."""
    return [row for finder in _finders for row in finder(typed)]
