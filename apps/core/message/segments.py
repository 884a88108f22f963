"""How many parts (segments) a text message is sent, and billed, in.

The alphabets are those of 3GPP TS 23.038 (GSM 03.38) §6.2.1; the part sizes follow from the
140 octets of one short message and the 6-octet concatenation header of 3GPP TS 23.040 §9.2.3.24.1.
"""

from typing import NamedTuple

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")

#: What phones and word processors type by themselves, and what GSM has for it.
_PLAINER = str.maketrans(
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
    """The size of a text on the air: `units` are septets (GSM-7) or 16-bit code units (UCS-2)."""

    encoding: str
    units: int
    parts: int


def count(text: str) -> Segments:
    """Measure `text` as a phone network does."""
    if all(char in GSM_BASIC or char in GSM_EXTENSION for char in text):
        # An extension character is an escape septet and its own, and the two are never parted.
        sizes = [2 if char in GSM_EXTENSION else 1 for char in text]
        return _segments(GSM_7, sizes, single=160, concatenated=153)
    # A character beyond the basic plane is a surrogate pair, and the two are never parted.
    sizes = [2 if ord(char) > 0xFFFF else 1 for char in text]
    return _segments(UCS_2, sizes, single=70, concatenated=67)


def plainer(text: str) -> str:
    """The text with typographic quotes, dashes and spaces as the GSM alphabet has them.

    One of them alone would more than halve what fits into a part.
    """
    return text.translate(_PLAINER)


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
