"""What notifications are about, in its present state. The apps that own the things say it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from django.db import models


@dataclass(frozen=True)
class Thing:
    """One thing as it is now: "R-1042, unit 417", "in progress", and its page."""

    name: str
    state: str
    url: str


#: Takes ids as text; leaves out what does not exist any more.
Describe = Callable[[Collection[str]], Mapping[str, Thing]]

_describers: dict[str, Describe] = {}


def register(model: type[models.Model], describe: Describe) -> None:
    """Let digests ask this function about rows of the model, many at once."""
    _describers[model._meta.label_lower] = describe


def describe(label: str, ids: Collection[str]) -> Mapping[str, Thing]:
    """Return the things of a model ("app.model") by id; none if no function knows the model."""
    known = _describers.get(label)
    return known(ids) if known else {}
