"""Repair JSON text before it is parsed."""

import re

#: One escape of JSON. A surrogate pair is one; the group is half of a pair, alone.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|.)",
    re.DOTALL,
)


def repair(text: str) -> str:
    r"""Return the JSON text with U+FFFD for each half of a surrogate pair, as a lone `\ud83d`.

    Providers cut diagnostic texts in the middle of an emoji. No database stores the half.
    """
    return _ESCAPE.sub(lambda match: r"\ufffd" if match["half"] else match[0], text)
