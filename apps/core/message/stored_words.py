"""Translate English words of ours that rows store, such as a status or the damage of a repair."""

import re

from django.utils.translation import gettext

_NUMBER = re.compile(r"(\d+ )?(.*)", re.DOTALL)


def translated(text: str) -> str:
    """Return the text in the active language; what has no translation stays as it is.

    A text that the catalog does not have as a whole is translated in pieces: "Star break, driver
    side" at its commas, "3 breaks" after its number.
    """
    whole = _word(text)
    return whole if whole != text else ", ".join(map(_piece, text.split(", ")))


def _piece(text: str) -> str:
    found = _NUMBER.fullmatch(text)
    number, word = found.groups("") if found else ("", text)
    return number + _word(word)


def _word(text: str) -> str:
    """Translate one word; a label that was stored in lower case is found as the label."""
    if not text:
        # The catalog's entry of "" is its header.
        return ""
    label = text[0].upper() + text[1:]
    found = gettext(text)
    if found == text and (of_label := gettext(label)) != label:
        return of_label[0].lower() + of_label[1:]
    return found


def settlement(because: str) -> str:
    """Return "approved by Luis Romero", an event's label and a name, in the reader's language."""
    what, by, who = because.partition(" by ")
    return gettext("{what} by {who}").format(what=translated(what), who=who) if by else because
