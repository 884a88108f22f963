"""Why a matter was settled, in the reader's language."""

from django.utils.translation import gettext

from apps.core.message.stored_words import translated


def words(because: str) -> str:
    """Return "approved by Luis Romero", an event's label and a name, in the reader's language."""
    what, by, who = because.partition(" by ")
    return gettext("{what} by {who}").format(what=translated(what), who=who) if by else because
