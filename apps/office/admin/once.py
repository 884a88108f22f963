"""Fields of a row's page that are computed once."""

from collections.abc import Callable
from functools import wraps
from typing import Any


def once(show: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """Remember what a field shows with its row: unfold asks for it up to five times a page."""

    @wraps(show)
    def remembered(page: Any, row: Any) -> str:
        shown: dict[str, str] = row.__dict__.setdefault("_shown", {})
        if show.__name__ not in shown:
            shown[show.__name__] = show(page, row)
        return shown[show.__name__]

    return remembered
