"""Read the HTML of an e-mail's sentence: few tags, well nested, and links that lead to the web."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser

from django.template.base import Token, TokenType
from django.utils.html import escape

from .variables import LINKS

INLINE = frozenset({"b", "strong", "i", "em", "a"})
LISTS = frozenset({"ul", "ol"})
ALLOWED = INLINE | LISTS | {"p", "br", "li"}
#: In which elements each may stand; "" is the sentence itself.
_INSIDE: dict[str, frozenset[str]] = {
    "p": frozenset({""}),
    "ul": frozenset({"", "li"}),
    "ol": frozenset({"", "li"}),
    "li": LISTS,
    "br": INLINE | {"", "p", "li"},
    **dict.fromkeys(INLINE, INLINE | {"", "p", "li"}),
}
_TEXT_INSIDE = INLINE | {"", "p", "li"}
#: A template's tag stands as its number between these two while the HTML is read.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_HREF = re.compile(r"(?:https?://[^\s/]|mailto:|tel:\+?\d)\S*", re.IGNORECASE)


class BadHTML(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Sentence:
    """The sentence in HTML, and in plain text. In `html`, marks stand for the template's tags."""

    html: str
    text: str
    tags: tuple[str, ...]

    def restore(self, marked: str) -> str:
        """Return the text with the template's tags in place of their marks."""
        return _MARK.sub(lambda mark: self.tags[int(mark[1])], marked)


def read(tokens: Sequence[Token]) -> Sentence:
    """Return the sentence of a template's tokens; raise BadHTML."""
    tags: list[str] = []
    marked = []
    for token in tokens:
        if token.token_type == TokenType.TEXT:
            # As typed they are refused before; the reader resolves &#xe000; too.
            if {_OPEN, _CLOSE} & {*unescape(token.contents)}:
                raise BadHTML(token.lineno or 1, "It has an invisible character; remove it.")
            marked.append(token.contents)
        elif token.token_type != TokenType.COMMENT:
            begin, end = ("{{", "}}") if token.token_type == TokenType.VAR else ("{%", "%}")
            # A tag may not hold a line break, so the line numbers stay.
            marked.append(f"{_OPEN}{len(tags)}{_CLOSE}")
            tags.append(f"{begin} {token.contents} {end}")
    reader = _Reader(tags)
    reader.feed("".join(marked))
    reader.finish()
    sentence = Sentence("".join(reader.html).strip(), "", tuple(tags))
    text = re.sub(r" *\n *", "\n", "".join(reader.text))
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return Sentence(sentence.html, sentence.restore(text), tuple(tags))


class _Reader(HTMLParser):
    """Writes what is allowed, as HTML and as plain text, and refuses everything else."""

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._tags = tags
        self._open: list[str] = []
        #: The open elements at each {% if %}: each branch must leave them as they were.
        self._at_if: list[list[str]] = []
        self._href = ""
        self.html: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self._refuse(f"The tag <{_MARK.sub('…', tag)}> is not allowed.")
        inside = self._open[-1] if self._open else ""
        if inside not in _INSIDE[tag] or (tag == "a" and "a" in self._open):
            self._refuse(f"<{tag}> cannot stand inside <{inside or 'this place'}>.")
        if tag == "br":
            if attrs:
                self._refuse("<br> takes no attributes.")
            self.html.append("<br>")
            self.text.append("\n")
            return
        self._open.append(tag)
        self._write_start(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self._refuse(f"Write <{_MARK.sub('…', tag)}> and its end.")
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self._refuse(f"</{_MARK.sub('…', tag)}> has no beginning here.")
        self._open.pop()
        self.html.append(f"</{tag}>")
        if tag == "a":
            self.text.append(f" ({self._href})")
        elif tag not in INLINE and tag != "li":
            self.text.append("\n" if self._open else "\n\n")

    def handle_data(self, data: str) -> None:
        if "{" in data or "}" in data:
            self._refuse("A curly bracket stands alone.")
        shown = " ".join(f"x{data}x".split())[1:-1]
        inside = self._open[-1] if self._open else ""
        if inside not in _TEXT_INSIDE:
            if shown.strip():
                self._refuse(f"Put the text inside <{inside}> into <li>.")
            return
        for mark in _MARK.finditer(data):
            self._follow(self._tags[int(mark[1])])
        self.html.append(escape(shown))
        self.text.append(shown)

    def handle_comment(self, data: str) -> None:
        self._refuse("Comments are not allowed.")

    def handle_decl(self, decl: str) -> None:
        self._refuse("<! is not allowed.")

    def unknown_decl(self, data: str) -> None:
        self._refuse("<! is not allowed.")

    def handle_pi(self, data: str) -> None:
        self._refuse("<? is not allowed.")

    def finish(self) -> None:
        self.close()
        if self._open:
            self._refuse(f"<{self._open[-1]}> has no end: add </{self._open[-1]}>.")

    def _write_start(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._href = self._checked_href(attrs)
            self.html.append(f'<a href="{escape(self._href)}">')
            return
        if attrs:
            self._refuse(f"<{tag}> takes no attributes.")
        self.html.append(f"<{tag}>")
        if tag == "li":
            self.text.append("\n- ")
        elif tag not in INLINE:
            self.text.append("\n\n")

    def _checked_href(self, attrs: list[tuple[str, str | None]]) -> str:
        if len(attrs) != 1 or attrs[0][0] != "href":
            self._refuse('Write <a href="https://…">, without other attributes.')
        href = (attrs[0][1] or "").strip()
        if mark := _MARK.fullmatch(href):
            name = self._tags[int(mark[1])].strip("{} ")
            if name in LINKS:
                return href
        elif _HREF.fullmatch(href) and not _MARK.search(href) and not set("{}") & set(href):
            return href
        return self._refuse("A link must begin with https:// or be {{ action_url }}.")

    def _follow(self, tag: str) -> None:
        """Check that every branch of a condition closes what it opens."""
        word = tag.strip("{}% ").split(" ")[0] if tag.startswith("{%") else ""
        if word == "if":
            self._at_if.append([*self._open])
        elif word in ("elif", "else", "endif"):
            if not self._at_if or self._at_if[-1] != self._open:
                self._refuse("Close a tag in the same branch of the condition that opens it.")
            if word == "endif":
                self._at_if.pop()

    def _refuse(self, message: str) -> str:
        raise BadHTML(self.getpos()[0], message)
