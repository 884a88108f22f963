"""The search of the admin: by a person's name, address or number, or by what a message is about."""

import re

from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.site import numbers

_PHONE = re.compile(r"[\d\s()+./-]{7,}")


def person_fields(user: str) -> list[str]:
    """Return the fields that find a person, by the path from the row to the user."""
    names = ["username", "first_name", "last_name", "email", "contact__email", "contact__phone"]
    return [f"{user}__{name}" for name in names]


class SearchMixin:
    """An admin's list that takes phone numbers as people write them, and numbers of repairs."""

    #: The path from the row to its notification; None if it has none.
    notification: str | None = None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = _without_punctuation(search_term)
        found, may_repeat = super().get_search_results(request, queryset, term)  # type: ignore[misc]
        if self.notification is not None and (about := self._about(search_term)):
            found |= queryset.filter(about)
        return found, may_repeat

    def _about(self, typed: str) -> Q:
        about = Q()
        for row in numbers.find(typed):
            kind = ContentType.objects.get_for_model(row)
            about |= Q(
                **{
                    f"{self.notification}about_type": kind,
                    f"{self.notification}about_id": str(row.pk),
                }
            )
        return about


def _without_punctuation(term: str) -> str:
    """Return (202) 555-0123 as 2025550123, and any other search unchanged."""
    return re.sub(r"\D", "", term) if _PHONE.fullmatch(term.strip()) else term
