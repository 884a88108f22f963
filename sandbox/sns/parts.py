"""Splits a text message into parts, as a phone network does.

The sandbox counts and prices texts by itself, so that an error in the application's count shows.
Alphabets: 3GPP TS 23.038 §6.2.1. Sizes: 3GPP TS 23.040 §9.2.3.24.1.
"""

#: The default alphabet, in the order of its codes; the escape code 0x1B has no character.
_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: These follow an escape, so they take two septets.
_EXTENDED = "\f^{}\\[~]|€"

_SEPTETS = {**dict.fromkeys(_DEFAULT.replace("\0", ""), 1), **dict.fromkeys(_EXTENDED, 2)}
#: The units that one part holds: alone, and as one of several, which carry a header.
_CAPACITY = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


def encoding(body: str) -> str:
    """Return GSM-7 if its alphabet has every character of the text, else UCS-2."""
    return "GSM-7" if _SEPTETS.keys() >= set(body) else "UCS-2"


def split(body: str) -> list[str]:
    """Return the text's parts, as the network sends and bills them; an empty text is one part."""
    name = encoding(body)
    alone, of_several = _CAPACITY[name]
    if sum(_units(name, char) for char in body) <= alone:
        return [body]
    parts, room = [""], of_several
    for char in body:
        # A character is never cut in two, so a part may end one unit short.
        if _units(name, char) > room:
            parts.append("")
            room = of_several
        parts[-1] += char
        room -= _units(name, char)
    return parts


def _units(name: str, char: str) -> int:
    """Return how many septets (GSM-7) or 16-bit code units (UCS-2) the character takes."""
    return _SEPTETS[char] if name == "GSM-7" else len(char.encode("utf-16-be")) // 2
