"""Count the parts (segments) in which a text message is sent and billed.

The alphabets are those of 3GPP TS 23.038 (GSM 03.38) §6.2.1; the part sizes follow from the
140 octets of one short message and the 6-octet concatenation header of 3GPP TS 23.040 §9.2.3.24.1.
"""

import re
import unicodedata
from typing import NamedTuple

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")

#: What phones and word processors type by themselves, and the GSM equivalents.
_EQUIVALENTS = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\u02b9\u02bc\u00b4`\u275b\u275c\u275f",
    '"': "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u02ba\u02ee\u275d\u275e\u2760\u2e42"
    "\u301d\u301e\u301f",
    "'''": "\u2034\u2037",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u2022\u00b7\u02d7\u2027\u2796\u2e3a"
    "\u2e3b\ufe58\ufe63",
    " ": "\t\v\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u2800\u3000",
    "\n": "\x85\u2028\u2029",
    "/": "\u2044\u2215",
    ".": "\u2024",
    "..": "\u2025",
    "...": "\u2026",
    "ff": "\ufb00",
    "fi": "\ufb01",
    "fl": "\ufb02",
    "ffi": "\ufb03",
    "ffl": "\ufb04",
    # Invisible: soft hyphen, zero-width space, word joiner, byte-order mark, embedded directions.
    "": "\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff"
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
}
#: Full-width forms (U+FF01 to U+FF5E) are those of ASCII.
_TO_GSM = str.maketrans({chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}) | (
    str.maketrans({char: gsm for gsm, chars in _EQUIVALENTS.items() for char in chars})
)
#: Control characters, joiners, direction marks, fillers, variants and tags: phones do not show them
#: either, but other scripts and emoji need some. Those of Unicode's Default_Ignorable_Code_Point.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
#: Spanish vowels that the alphabet lacks; it has é, ñ and ü. Readers of texts are used to this.
_ACCENTS = str.maketrans("áíóúÁÍÓÚ", "aiouAIOU")

GSM_7 = "GSM-7"
UCS_2 = "UCS-2"


class Segments(NamedTuple):
    """The size of a text; `units` are septets (GSM-7) or 16-bit code units (UCS-2)."""

    encoding: str
    units: int
    parts: int


def count(text: str) -> Segments:
    """Return the size of the text as a phone network counts it."""
    if is_gsm(text):
        # An extension character is two septets, which stay in one part.
        sizes = [2 if char in GSM_EXTENSION else 1 for char in text]
        return _segments(GSM_7, sizes, single=160, concatenated=153)
    # A character beyond the basic plane is a surrogate pair, which stays in one part.
    sizes = [2 if ord(char) > 0xFFFF else 1 for char in text]
    return _segments(UCS_2, sizes, single=70, concatenated=67)


def to_gsm(text: str) -> str:
    """Return the text without invisible characters, and with typography as in the GSM alphabet.

    A single such character more than halves what fits into a part. Accents go only if the text
    is in that alphabet without them.
    """
    plain = unicodedata.normalize("NFC", text).translate(_TO_GSM)
    bare = _INVISIBLE.sub("", plain)
    return next(filter(is_gsm, (bare, bare.translate(_ACCENTS))), plain)


def is_gsm(text: str) -> bool:
    """Return whether the text is sent in the GSM alphabet."""
    return all(char in GSM_BASIC or char in GSM_EXTENSION for char in text)


def _segments(encoding: str, sizes: list[int], single: int, concatenated: int) -> Segments:
    units = sum(sizes)
    if units <= single:
        return Segments(encoding, units, 1)
    parts, used = 1, 0
    for size in sizes:
        if used + size > concatenated:
            parts, used = parts + 1, 0
        used += size
    return Segments(encoding, units, parts)
