"""The groups whose rules about channels bind a person: the company of a manager."""

from collections.abc import Iterable
from typing import Any

from .models import Company, Profile


def key(company: Company) -> str:
    return f"company:{company.pk}"


def of_people(users: Iterable[Any]) -> dict[Any, list[str]]:
    """Return the keys of these users' groups by the user's id."""
    managers = Profile.objects.filter(user__in=list(users), company__isnull=False)
    return {
        profile.user_id: [key(profile.company)]
        for profile in managers.select_related("company")
        if profile.company
    }
