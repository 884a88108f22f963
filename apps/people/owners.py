"""Pages of links in messages: they belong to a person who need not be signed in."""

from django.utils import translation

from apps.core.models import Contact


def language_of(user_id: int) -> str:
    """Return the language that the link's owner chose, or else that of the browser."""
    chosen = Contact.objects.filter(user=user_id).values_list("language", flat=True).first()
    return chosen or translation.get_language() or ""
