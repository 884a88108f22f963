"""Links to pages of the admin."""

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html


def to(row: Model | None, words: str) -> str:
    """Return a link to the row's page, or the words alone if there is no row."""
    if row is None:
        return words
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html(
        '<a class="text-link" href="{}">{}</a>', reverse(name, args=[quote(row.pk)]), words
    )
