"""The strip on every page of the staff while something is wrong."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.core.audit.alarms import standing
from apps.site.office import may_see_people


def context(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `alarm`, the worst problem, asked for only if a template shows it."""

    def worst() -> standing.Problem | None:
        return standing.strip() if may_see_people(request.user) else None

    return {"alarm": SimpleLazyObject(worst)}
