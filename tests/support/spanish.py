"""What of a page in Spanish is still English."""

import html
import re

#: Words of English that are none of Spanish.
ENGLISH = re.compile(r"\b(the|is|are|was|of|your|you|not|by|to|it|with|this|and|from)\b", re.I)


def text_of(page: str) -> str:
    """Return what a page shows or says, without its code."""
    page = re.sub(r"<(script|style|option)\b.*?</\1>", " ", page, flags=re.S)
    attributes = re.findall(r'(?:aria-label|title|placeholder|data-\w+)="([^"]*)"', page)
    return html.unescape("\n".join([re.sub(r"<[^>]*>", "\n", page), *attributes]))


def english_lines(page: str) -> list[str]:
    lines = [each.strip() for each in text_of(page).split("\n") if ENGLISH.search(each)]
    # Development's own footer is for developers.
    return [each for each in lines if each != "sent messages"]
