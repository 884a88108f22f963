"""Count the parts (segments) in which a text message is sent and billed.

The alphabets are those of 3GPP TS 23.038 (GSM 03.38) §6.2.1; the part sizes follow from the
140 octets of one short message and the 6-octet concatenation header of 3GPP TS 23.040 §9.2.3.24.1.
"""

from typing import NamedTuple

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")

#: What phones and word processors type by themselves, and the GSM equivalents.
_TO_GSM = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u202f": " ",
    }
)

GSM_7 = "GSM-7"
UCS_2 = "UCS-2"


class Segments(NamedTuple):
    """The size of a text; `units` are septets (GSM-7) or 16-bit code units (UCS-2)."""

    encoding: str
    units: int
    parts: int


def count(text: str) -> Segments:
    """Return the size of the text as a phone network counts it."""
    if all(char in GSM_BASIC or char in GSM_EXTENSION for char in text):
        # An extension character is two septets, which stay in one part.
        sizes = [2 if char in GSM_EXTENSION else 1 for char in text]
        return _segments(GSM_7, sizes, single=160, concatenated=153)
    # A character beyond the basic plane is a surrogate pair, which stays in one part.
    sizes = [2 if ord(char) > 0xFFFF else 1 for char in text]
    return _segments(UCS_2, sizes, single=70, concatenated=67)


def to_gsm(text: str) -> str:
    """Return the text with typographic quotes, dashes and spaces as in the GSM alphabet.

    A single one of them more than halves what fits into a part.
    """
    return text.translate(_TO_GSM)


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
