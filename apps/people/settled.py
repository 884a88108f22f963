"""Why a matter was settled, in the reader's language."""

from django.utils.text import capfirst
from django.utils.translation import gettext


def words(because: str) -> str:
    """Return "approved by Luis Romero" as stored, in the reader's language.

    The first part is the label of an event in lower case; the rest is a name.
    """
    what, by, who = because.partition(" by ")
    if not by:
        return because
    done = gettext(capfirst(what))
    return gettext("{what} by {who}").format(what=done[:1].lower() + done[1:], who=who)
