"""The design of every e-mail: one layout in the brand's colors, and its plain text.

Mail programs read styles from each element alone, so the style sheet is written into the elements:
once for each brand, tone and language, not for each message.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import Template as Colors
from typing import Any

import css_inline
from django.apps import apps
from django.template import Context, Engine, Template
from django.utils.safestring import SafeString
from django.utils.translation import gettext, override

from .brand import Brand
from .kinds import Tone

#: On light and on dark cards; news has the brand's accent.
TONES = {
    Tone.GOOD: ("#1a7f37", "#56d364"),
    Tone.BAD: ("#b42318", "#ff9c94"),
    Tone.WAITING: ("#8a5a00", "#f0c05a"),
}
#: Invisible characters after the preheader, so that no mail program adds words of the text.
_PADDING = "&#847;&zwnj;&nbsp;" * 60
_TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}")
#: A tag of the template stands as its number between these two while the HTML is parsed.
_MARK = re.compile("(?:<!--)?\ue000(\\d+)\ue001(?:-->)?")


#: Pixels of a photo in the card, and its largest height, so that the button stays near.
_PHOTO_WIDTH, _PHOTO_HEIGHT = 554, 400


@dataclass(frozen=True)
class Photo:
    """A picture with its absolute URL, what it shows, and its size on the screen in pixels."""

    url: str
    shows: str
    width: int
    height: int


@dataclass(frozen=True)
class Note:
    """What a person wrote, in the quotation marks of the language, and who."""

    words: str
    by: str


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    #: Set if the value is the office's phone number.
    tel: str = ""


@dataclass(frozen=True)
class Letter:
    """The content of one e-mail. `html` and `text` are its body, in HTML and in plain text."""

    subject: str
    preheader: str
    state: str
    heading: str
    html: SafeString
    text: str
    note: Note | None
    photo: Photo | None
    facts: Sequence[Fact]
    action: str
    action_url: str
    #: Why the recipient gets it, as a sentence.
    why: str
    preferences_url: str
    unsubscribe_url: str


def html(letter: Letter, brand: Brand, tone: Tone, language: str) -> str:
    values = {**vars(letter), "body": letter.html, "brand": brand, "language": language}
    return str(_layout(brand, tone, language).render(Context(values)))


def text(letter: Letter, brand: Brand, language: str) -> str:
    words = _words(language)
    links = [f"{words['choose']}: {letter.preferences_url}"]
    if letter.unsubscribe_url:
        links.append(f"{words['unsubscribe']}: {letter.unsubscribe_url}")
    office = " · ".join(filter(None, [brand.name, brand.phone, brand.support_hours]))
    about = [brand.postal_address, *(f"{link.label}: {link.url}" for link in brand.links)]
    blocks = [
        "\n".join(filter(None, [letter.state, letter.heading])),
        letter.text,
        f"{letter.note.words}\n{letter.note.by}" if letter.note else "",
        f"{words['photo']}: {letter.photo.url}" if letter.photo else "",
        "\n".join(f"{fact.label}: {fact.value}" for fact in letter.facts),
        f"{letter.action}: {letter.action_url}",
        "\n".join(["--", letter.why, *links]),
        "\n".join(filter(None, [office, *about, brand.footer])),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def fit_photo(url: str, shows: str, width: int, height: int) -> Photo:
    """Return a picture of this size as it fits the card."""
    share = min(1, _PHOTO_WIDTH / width, _PHOTO_HEIGHT / height)
    return Photo(url, shows, max(1, round(width * share)), max(1, round(height * share)))


def with_styles(fragment: str, brand: Brand) -> str:
    """Return the HTML of a body with its styles in its elements."""
    return css_inline.inline_fragment(fragment, _body_css(brand))


def digest_html(values: Mapping[str, Any], brand: Brand) -> SafeString:
    """Return the list of a digest's lines in HTML."""
    return _digest_html(brand).render(Context(values))


def digest_text(values: Mapping[str, Any]) -> str:
    """Return the list of a digest's lines in plain text."""
    return str(_digest_text().render(Context(values, autoescape=False))).strip()


@lru_cache(maxsize=64)
def _digest_html(brand: Brand) -> Template:
    source = _around_tags(_source("folded.html"), lambda shown: with_styles(shown, brand))
    return _engine().from_string(source)


@cache
def _digest_text() -> Template:
    return _engine().from_string(_source("folded.txt"))


@lru_cache(maxsize=256)
def _layout(brand: Brand, tone: Tone, language: str) -> Template:
    source = Colors(_source("layout.html")).substitute(
        _colors(brand, tone), padding=_PADDING, **_words(language)
    )
    inlined = _around_tags(source, css_inline.CSSInliner().inline)
    return _engine().from_string(inlined.replace(' data-css-inline="keep"', ""))


def _around_tags(source: str, change: Callable[[str], str]) -> str:
    """Change HTML that has template tags, which an HTML parser would tear apart or move."""
    tags: list[str] = []

    def mark(found: re.Match[str]) -> str:
        tags.append(found[0])
        number = f"\ue000{len(tags) - 1}\ue001"
        # Inside a table only a comment stays at its place.
        return f"<!--{number}-->" if found[0].startswith("{%") else number

    return _MARK.sub(lambda found: tags[int(found[1])], change(_TAG.sub(mark, source)))


def _colors(brand: Brand, tone: Tone) -> Mapping[str, str]:
    light, dark = TONES.get(tone, (brand.accent_on_light, brand.accent_on_dark))
    return {
        "accent": brand.accent,
        "on_accent": brand.on_accent,
        "dark_link": brand.accent_on_dark,
        "tone": light,
        "dark_tone": dark,
    }


@lru_cache(maxsize=64)
def _body_css(brand: Brand) -> str:
    return Colors(_source("body.css")).substitute(link=brand.accent_on_light)


@cache
def _words(language: str) -> dict[str, str]:
    """Return the fixed words of the layout."""
    with override(language):
        return {
            "choose": gettext("Choose what reaches you"),
            "unsubscribe": gettext("Unsubscribe"),
            "photo": gettext("Photo"),
        }


@cache
def _engine() -> Engine:
    return Engine(libraries={"i18n": "django.templatetags.i18n"})


@cache
def _source(name: str) -> str:
    folder = Path(apps.get_app_config("core").path) / "templates" / "notifications"
    return (folder / name).read_text(encoding="utf-8")
