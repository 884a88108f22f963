"""Shorten the long names in a text message, so that it stays within one part.

The filter `short` marks what may be shortened. Links, references and the action are never marked.
"""

import re

from . import segments

#: Marks around a value; private-use characters, which no text of ours has.
_BEGIN, _END = "\ue010", "\ue011"
_MARKED = re.compile(f"{_BEGIN}([^{_BEGIN}{_END}]*){_END}")
_MARKS = str.maketrans({_BEGIN: None, _END: None})
#: Characters that are left of a name, with its dots.
SHORTEST = 10


def mark(value: str) -> str:
    """Return the value as one that may be shortened, unless it has a link."""
    bare = value.translate(_MARKS)
    return bare if "://" in bare else f"{_BEGIN}{bare}{_END}"


def fit(text: str) -> str:
    """Return the text on one line, its marked values as long as the fewest parts allow.

    All have the same greatest length, so the longest is shortened first.
    """
    line = " ".join(text.split())
    longest = max((len(value) for value in _MARKED.findall(line)), default=0)
    whole = _limited(line, longest)
    parts = segments.count(whole).parts
    if parts == 1:
        return whole
    fewest = segments.count(_limited(line, SHORTEST)).parts
    if parts == fewest:
        return whole
    short_enough, too_long = SHORTEST, longest
    while too_long - short_enough > 1:
        middle = (short_enough + too_long) // 2
        if segments.count(_limited(line, middle)).parts <= fewest:
            short_enough = middle
        else:
            too_long = middle
    return _limited(line, short_enough)


def _limited(line: str, longest: int) -> str:
    shown = _MARKED.sub(lambda found: _cut(found[1], longest), line).replace("....", "...")
    # What remains is the mark of a value that another filter has cut.
    return segments.to_gsm(shown.translate(_MARKS))


def _cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 3].rstrip() + "..."
