"""Cleaning of text that people typed, before it is stored, shown or sent."""

import re
import unicodedata

REMOVED_LINK = "[link removed]"

#: Letters and symbols that show nothing: Hangul fillers and the braille blank.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_NEWLINES = re.compile(r"\r\n?|[\u0085\u2028\u2029]")
#: Characters that browsers accept for the dot of a domain.
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))
_SCHEME_OR_WWW = re.compile(r"://|\bwww\.|\b(?:mailto|tel|sms|javascript|data):", re.IGNORECASE)
#: Top-level domains that are not English words. Below others, a domain is a link only with a path.
_TOP_LEVEL = "com|net|org|edu|gov|info|biz|io|co|uk|ca|de|fr|eu|ru|cn|xyz|icu|vip|ly|tk|example"
_DOMAIN = re.compile(
    rf"\w\.(?:(?:{_TOP_LEVEL})\b|[a-z]{{2,24}}[/:?#])|\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S+")
_DOT_IN_WORD = re.compile(r"(?<=[^\W\d_])\.(?=[^\W\d_]{2})")


def clean(text: str) -> str:
    """Return the text without control, bidi and zero-width characters.

    Line breaks stay, as a newline each. Every other white space becomes a plain space.
    """
    lines = _NEWLINES.sub("\n", unicodedata.normalize("NFC", text))
    return "".join(_plain(char) for char in lines)


def clean_line(text: str) -> str:
    """Return the text as `clean` does, on one line and with single spaces."""
    return " ".join(clean(text).split())


def has_visible(text: str) -> bool:
    """Return whether a reader sees anything of the text."""
    return any(unicodedata.category(char)[0] in "LNPS" for char in text if char not in _BLANKS)


def remove_links(text: str) -> str:
    """Replace each link by REMOVED_LINK, and leave nothing that a phone turns into one."""
    shown = _WORD.sub(_without_link, text.translate(_DOTS))
    return _DOT_IN_WORD.sub(". ", shown)


def nameable(text: str) -> str:
    """Return the name that a user gave to something, for a message of ours: a line, no links."""
    return remove_links(clean_line(text))


def quotable(text: str, length: int) -> str:
    """Return a user's words for a quotation in a message of ours, on one line.

    Links are removed. Double quotes become single ones, so that the text cannot end the quotation.
    """
    line = remove_links(clean_line(text))
    for quote in '"\u201c\u201d\u201e\u00ab\u00bb':
        line = line.replace(quote, "'")
    return line if len(line) <= length else f"{line[: length - 3].rstrip()}..."


def _plain(char: str) -> str:
    if char == "\n":
        return char
    category = unicodedata.category(char)
    if category == "Zs" or char == "\t":
        return " "
    # Cc: control. Cf: bidi, zero-width, soft hyphen, byte-order mark. Cs: half an emoji.
    return "" if category in ("Cc", "Cf", "Cs") or char in _BLANKS else char


def _without_link(match: re.Match[str]) -> str:
    word = match[0]
    if not (_SCHEME_OR_WWW.search(word) or _DOMAIN.search(word)):
        return word
    return REMOVED_LINK + ("." if word.endswith(".") else "")
