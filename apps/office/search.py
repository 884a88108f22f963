"""The search of the admin: by a person's name, address or number, or by what a message is about.

A search of messages reads people first, and then the messages of those it finds, by an index. So
its cost depends on how many messages these people have, not on how many there are.
"""

import re
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.core.addresses import canonical
from apps.site import numbers, told

#: A search of messages shows those of so many people.
MOST_PEOPLE = 50

_PHONE = re.compile(r"[\d\s()+./-]{7,}")


def person_fields(user: str = "") -> list[str]:
    """Return the fields that find a person, by the path from the row to the user."""
    names = ["username", "first_name", "last_name", "email", "contact__email", "contact__phone"]
    return [f"{user}__{name}" if user else name for name in names]


class SearchMixin:
    """An admin's list that takes phone numbers as people write them."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = _without_punctuation(search_term)
        return super().get_search_results(request, queryset, term)  # type: ignore[misc]


def of_messages(typed: str, notification: str = "") -> Q:
    """Return the condition that a notification is to a person typed, or about a number typed.

    `notification` is the path to it, as in `notification__`.
    """
    found = Q(**{f"{notification}recipient__in": find_people(typed)})
    return found | told.about(numbers.find(typed), notification)


def read_uuid(typed: str) -> UUID | None:
    try:
        return UUID(typed)
    except ValueError:
        return None


def find_people(typed: str) -> list[int]:
    """Return the keys of the users of whom each word is in a name, an address or a number."""
    users = narrow(get_user_model()._default_manager.order_by("username"), typed)
    return list(users.values_list("pk", flat=True)[:MOST_PEOPLE])


def narrow(users: QuerySet[Any], typed: str) -> QuerySet[Any]:
    """Return those of the users of whom each word is in a name, an address or a number."""
    for word in _without_punctuation(typed).split():
        found = Q(contact__email__icontains=canonical(word))
        for field in person_fields():
            found |= Q(**{f"{field}__icontains": word})
        users = users.filter(found)
    return users


def _without_punctuation(term: str) -> str:
    """Return (202) 555-0123 as 2025550123, and any other search unchanged."""
    return re.sub(r"\D", "", term) if _PHONE.fullmatch(term.strip()) else term
