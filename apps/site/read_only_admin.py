"""An admin page on which a person reads and the system alone writes."""

from typing import Any

from django.http import HttpRequest


class ReadOnlyMixin:
    """These rows are written by the system alone; a person reads them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
