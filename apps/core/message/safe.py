"""The language in which messages are worded: Django's templates without what could do harm.

A template reads the declared variables of its kind and nothing else: there are no loops, no other
templates, no attributes and no calls. It is checked when it is compiled, so rendering it is safe.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from html import unescape
from typing import Any, ClassVar, NoReturn

from django.template import Context, Engine, Node, Template, TemplateSyntaxError
from django.template.base import (
    FilterExpression,
    Lexer,
    NodeList,
    Parser,
    Token,
    TokenType,
    Variable,
    VariableNode,
)
from django.template.defaulttags import do_if
from django.template.library import Library
from django.utils import formats
from django.utils.html import escape
from django.utils.text import capfirst

from . import safe_html, shortening, stored_words, variables
from .kinds import NotificationKind, format_money
from .parts import FORM, Form, Part

#: Characters of a part's source, and of one tag.
LONGEST: dict[Form, int] = {
    Form.LINE: 500,
    Form.TEXT: 2000,
    Form.HTML: 4000,
    Form.NOTE: 1000,
    Form.FACTS: 2000,
}
LONGEST_TAG = 200
#: Tags and variables of one part, and words of one condition. They bound the nesting as well.
MOST_TAGS = 80
MOST_WORDS = 24
#: Filters that need a value of these types, before every other filter.
TYPED: dict[str, tuple[type, ...]] = {"money": (Decimal,), "date": (date,), "time": (datetime,)}

_BRACKET = re.compile("[{}]")
_ALONE = "A curly bracket stands alone: write {{ name }} or {% if … %}."


class TemplateProblem(Exception):
    """A part's source cannot be used. The message says what to do, for the person who wrote it."""

    def __init__(self, part: Part, line: int, message: str) -> None:
        super().__init__(f"{part}, line {line}: {message}")
        self.part, self.line, self.message = part, line, message


@dataclass(frozen=True)
class Compiled:
    """A part that is safe to render. `html` is the sentence's, before it gets its styles."""

    part: Part
    plain: "Source"
    html: safe_html.Sentence | None = None


class Source(Template):
    """A template whose variables and tags were checked when it was made."""

    def __init__(self, source: str, names: Mapping[str, type], *, autoescape: bool = False) -> None:
        self._names, self._autoescape = names, autoescape
        super().__init__(source, engine=_engine())

    def compile_nodelist(self) -> NodeList:
        nodes = _Parser(Lexer(self.source).tokenize(), self._names).parse()
        for node in nodes.get_nodes_by_type(VariableNode):
            if isinstance(node, VariableNode) and _name(node.filter_expression) is None:
                raise _syntax_error(node.token, "Write fixed words without {{ and }}.")
        return nodes

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with the values, which are plain strings, numbers and dates."""
        context = Context(values, autoescape=self._autoescape, use_l10n=False)
        return str(self.render(context))


def compile_part(kind: NotificationKind, part: Part, source: str) -> Compiled:
    """Check a part of the kind's message; raise TemplateProblem."""
    names = variables.of(kind, part)
    try:
        tokens = _tokens(part, source)
        if part != Part.SMS and any("|short" in token.contents for token in tokens):
            raise TemplateProblem(part, 1, "The filter short is for text messages only.")
        if FORM[part] != Form.HTML:
            return Compiled(part, Source(source, names))
        Source(source, names)
        sentence = safe_html.read(tokens)
        return Compiled(part, Source(sentence.text, names), sentence)
    except safe_html.BadHTML as error:
        raise TemplateProblem(part, error.line, str(error)) from None
    except TemplateSyntaxError as error:
        token = getattr(error, "token", None)
        raise TemplateProblem(part, (token and token.lineno) or 1, _plain(error, token)) from None


def escaped(sentence: safe_html.Sentence, html: str, names: Mapping[str, type]) -> Source:
    """Return the sentence's template in HTML; `html` is its HTML with styles."""
    return Source(sentence.restore(html), names, autoescape=True)


def _tokens(part: Part, source: str) -> list[Token]:
    longest = LONGEST[FORM[part]]
    if len(source) > longest:
        raise TemplateProblem(part, 1, f"It is too long: at most {longest} characters.")
    # HTML can write any character as a reference, such as &#x202e;.
    written = unescape if FORM[part] == Form.HTML else str
    for number, line in enumerate(source.split("\n"), start=1):
        for char in written(line):
            if unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") and char not in "\t\r":
                raise TemplateProblem(part, number, "It has an invisible character; remove it.")
    tokens = Lexer(source).tokenize()
    tags = [token for token in tokens if token.token_type != TokenType.TEXT]
    if len(tags) > MOST_TAGS:
        raise TemplateProblem(part, 1, f"It has too many tags: at most {MOST_TAGS}.")
    for token in tokens:
        if alone := _BRACKET.search(token.contents) if token.token_type == TokenType.TEXT else None:
            before = token.contents.count("\n", 0, alone.start())
            raise TemplateProblem(part, (token.lineno or 1) + before, _ALONE)
        if problem := _problem_of(token):
            raise TemplateProblem(part, token.lineno or 1, problem)
    return tokens


def _problem_of(token: Token) -> str:
    if token.token_type == TokenType.TEXT:
        return ""
    if len(token.contents) > LONGEST_TAG:
        return f"A tag is too long: at most {LONGEST_TAG} characters."
    if token.token_type == TokenType.BLOCK:
        words = token.contents.split()
        if len(words) > MOST_WORDS:
            return f"A condition is too long: at most {MOST_WORDS} words."
        if "is" in words:
            return "Write == instead of is."
    return ""


def _plain(error: TemplateSyntaxError, token: Token | None) -> str:
    """Return our own words for an error, or say that the tag cannot be read."""
    if isinstance(error, _Told):
        return str(error)
    shown = token.contents if token else ""
    return f"“{shown}” cannot be read: {error}"


class _Told(TemplateSyntaxError):
    """A syntax error in our own words."""


def _syntax_error(token: Token | None, message: str) -> _Told:
    error = _Told(message)
    # Where Django's parser looks for it.
    error.token = token  # type: ignore[attr-defined]
    return error


class _Parser(Parser):
    """Compiles no variable, tag or filter that is not allowed."""

    def __init__(self, tokens: list[Token], names: Mapping[str, type]) -> None:
        super().__init__(tokens, builtins=[library])
        self._names = names

    def compile_filter(self, token: str) -> FilterExpression:
        if "_(" in token:
            raise _Told("Write the words themselves, without _( and ).")
        expression = FilterExpression(token, self)
        name = _name(expression)
        for each in (expression.var, *_arguments(expression)):
            self._check_name(each)
        for place, (_, _, function) in enumerate(_filters(expression)):
            types = TYPED.get(function)
            if types and (place or not issubclass(self._names.get(name or "", str), types)):
                raise _Told(f"The filter {function} does not fit {name}.")
        return expression

    def find_filter(self, filter_name: str) -> Any:
        if filter_name not in library.filters:
            known = ", ".join(sorted(library.filters))
            raise _Told(f"There is no filter {filter_name}. You can use: {known}.")
        return super().find_filter(filter_name)

    def invalid_block_tag(self, token: Token, command: str, parse_until: Any = None) -> NoReturn:
        known = ", ".join(["elif", "else", "endif", *sorted(library.tags)])
        raise _syntax_error(token, f"“{command}” cannot stand here. You can use: {known}.")

    def unclosed_block_tag(self, parse_until: Iterable[str]) -> NoReturn:
        command, token = self.command_stack.pop()
        raise _syntax_error(token, f"“{command}” has no end: add {{% endif %}}.")

    def _check_name(self, value: Any) -> None:
        if not isinstance(value, Variable) or value.lookups is None:
            return
        name = ".".join(value.lookups)
        if name not in self._names:
            known = ", ".join(sorted(self._names))
            raise _Told(f"There is no {name}. You can use: {known}.")


def _name(expression: FilterExpression) -> str | None:
    """Return the name of the expression's variable; None for a fixed word or number."""
    variable = expression.var
    is_name = isinstance(variable, Variable) and variable.lookups is not None
    return ".".join(variable.lookups) if is_name else None


def _arguments(expression: FilterExpression) -> list[Any]:
    return [value for _, arguments, _ in _filters(expression) for _, value in arguments]


def _filters(expression: FilterExpression) -> list[tuple[Any, list[tuple[bool, Any]], str]]:
    return [
        (function, arguments, function._filter_name) for function, arguments in expression.filters
    ]


class _Engine(Engine):
    default_builtins: ClassVar[list[str]] = []


@cache
def _engine() -> Engine:
    return _Engine(loaders=[])


library = Library()
library.tag("if", do_if)


@library.tag
def plural(parser: Parser, token: Token) -> Node:
    """{% plural count "break" "breaks" %}"""
    words = token.split_contents()[1:]
    if len(words) != 3:
        raise _Told('Write a number and two words: {% plural count "break" "breaks" %}.')
    return _Plural(*(parser.compile_filter(word) for word in words))


class _Plural(Node):
    def __init__(
        self, count: FilterExpression, one: FilterExpression, many: FilterExpression
    ) -> None:
        self._count, self._one, self._many = count, one, many

    def render(self, context: Context) -> str:
        # The rule of English and Spanish alike (CLDR), for whole numbers.
        form = self._one if self._count.resolve(context) == 1 else self._many
        text = _text(form.resolve(context))
        return escape(text) if context.autoescape else text


def _text(value: Any) -> str:
    """Return the value as text that is to be escaped; Django marks fixed words as safe HTML."""
    return "".join(("" if value is None else str(value), ""))


@library.filter
def lower(value: Any) -> str:
    return _text(value).lower()


@library.filter
def upper(value: Any) -> str:
    return _text(value).upper()


@library.filter("capfirst")
def first_upper(value: Any) -> str:
    return _text(capfirst(_text(value)))


@library.filter
def truncatechars(value: Any, length: Any) -> str:
    text = _text(value)
    if not isinstance(length, int) or len(text) <= length:
        return text
    return text[: max(0, length - 3)].rstrip() + "..."


@library.filter
def default(value: Any, instead: Any) -> str:
    return _text(value or instead)


@library.filter
def money(value: Decimal) -> str:
    return format_money(value)


@library.filter("date")
def date_of(value: date | None) -> str:
    return formats.date_format(value, "DATE_FORMAT") if value else ""


@library.filter("time")
def time_of(value: datetime | None) -> str:
    return formats.time_format(value, "TIME_FORMAT") if value else ""


@library.filter
def short(value: Any) -> str:
    """Mark what may be shortened in a text message that is too long."""
    return shortening.mark(_text(value))


@library.filter
def tr(value: Any) -> str:
    """Translate a stored English word of our own, such as a status."""
    return stored_words.translated(_text(value))
