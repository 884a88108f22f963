"""Extracts, compiles and checks the translations: one catalog per app and language.

python -m tools.translations update | compile | check
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

from tools.supervisor import ROOT

#: The apps that people other than staff see.
APPS = ("core", "office", "people", "repairs", "site")
#: Folders outside an app whose words its catalog has.
MORE = {"site": [ROOT / "rs_systems" / "templates"]}
#: Folders whose words stay English.
UNTRANSLATED = {"migrations", "admin"}
#: Functions, and which of their arguments are the context (c), the singular and the plural.
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
#: Dates in a catalog would make each run a change.
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"MIME-Version: 1.0\\n"
"Plural-Forms: {plurals}\\n"

"""
#: The rule of a new catalog; a language that counts otherwise has its own in its header.
PLURALS = "nplurals=2; plural=(n != 1);"
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w*\}")


def languages() -> list[str]:
    """Return the languages that have catalogs: all but the one of the source."""
    return [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def path_of(app: str, language: str) -> Path:
    return ROOT / "apps" / app / "locale" / language / "LC_MESSAGES" / "django.po"


def extracted(app: str) -> Catalog:
    """Return what the app's Python files and templates mark for translation."""
    catalog = Catalog()
    for folder in (ROOT / "apps" / app, *MORE.get(app, ())):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".html", ".txt") and not UNTRANSLATED & {*path.parts}:
                _add(catalog, path)
    return catalog


def _add(catalog: Catalog, path: Path) -> None:
    source = path.read_text()
    if path.suffix != ".py":
        # In brackets, since the template's indentation is not Python's.
        source = f"({templatize(source, str(path))})"
    name = str(path.relative_to(ROOT))
    for line, message, comments, context in extract(
        "python", io.BytesIO(source.encode()), KEYWORDS, comment_tags=("Translators:",)
    ):
        catalog.add(
            message, locations=[(name, line)], auto_comments=comments, context=context or None
        )


def read(path: Path, language: str) -> Catalog:
    """Return the catalog in a .po file, an empty one if there is none."""
    new = HEADER.format(language=language, plurals=PLURALS)
    text = path.read_text() if path.exists() else new
    catalog = read_po(io.BytesIO(text.encode()), locale=language)
    catalog.creation_date = catalog.revision_date = NO_DATE
    return catalog


def po_of(catalog: Catalog) -> str:
    found = io.BytesIO()
    write_po(
        found,
        catalog,
        width=100,
        omit_header=True,
        sort_by_file=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    header = HEADER.format(language=catalog.locale_identifier, plurals=catalog.plural_forms)
    return header + found.getvalue().decode()


def mo_of(catalog: Catalog) -> bytes:
    found = io.BytesIO()
    write_mo(found, catalog)
    return found.getvalue()


def update() -> None:
    """Bring the .po files up to date with the source; new messages are left empty."""
    for app in APPS:
        template = extracted(app)
        for language in languages():
            path = path_of(app, language)
            catalog = read(path, language)
            catalog.update(template, no_fuzzy_matching=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(po_of(catalog))


def compile_all() -> None:
    """Write the .mo file that Django reads beside each .po file."""
    for app in APPS:
        for language in languages():
            path = path_of(app, language)
            path.with_suffix(".mo").write_bytes(mo_of(read(path, language)))


def complaints(apps: tuple[str, ...] = APPS) -> Iterator[str]:
    """Yield what is missing, out of date or wrong, a line each."""
    for app in apps:
        template = extracted(app)
        for language in languages():
            path = path_of(app, language)
            catalog = read(path, language)
            name = path.relative_to(ROOT)
            yield from (f"{name}: {each}" for each in _complaints(template, catalog))
            compiled = path.with_suffix(".mo")
            if not compiled.exists() or compiled.read_bytes() != mo_of(catalog):
                yield f"{name}: its .mo is out of date; run: python -m tools.translations compile"


def contradictions() -> Iterator[str]:
    """Yield the messages that two apps translate differently: Django would take either."""
    for language in languages():
        found: dict[tuple[object, object], tuple[str, object]] = {}
        for app in APPS:
            for message in list(read(path_of(app, language), language))[1:]:
                key = (message.id, message.context)
                other, words = found.setdefault(key, (app, message.string))
                if words != message.string:
                    yield f"{_first(message)!r} is translated differently in {other} and {app}"


def _complaints(template: Catalog, catalog: Catalog) -> Iterator[str]:
    for message in list(template)[1:]:
        found = catalog.get(message.id, message.context)
        if found is None:
            yield f"{_first(message)!r} is missing; run: python -m tools.translations update"
        elif why := wrong(found):
            yield f"{_first(message)!r} {why}"
    for message in list(catalog)[1:]:
        if template.get(message.id, message.context) is None:
            yield f"{_first(message)!r} is in no source; run: python -m tools.translations update"


def wrong(message: Message) -> str:
    """Return what is wrong with a translation, or an empty text."""
    if message.fuzzy:
        return "is fuzzy"
    forms = texts(message.string)
    if not all(forms):
        return "has no translation" if len(forms) == 1 else "lacks a plural form"
    ids = texts(message.id)
    # "One message" needs no number, so the first form may have the placeholders of either.
    allowed = [[_placeholders(each) for each in ids], *[[_placeholders(ids[-1])]] * len(forms)]
    for form, sets in zip(forms, allowed, strict=False):
        if _placeholders(form) not in sets:
            return f"has other placeholders than {form!r}"
    return ""


def texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the text, or the texts of a plural, as a tuple."""
    return (value or "",) if isinstance(value, str | None) else tuple(value)


def _placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text))


def _first(message: Message) -> str:
    return texts(message.id)[0]


def check() -> int:
    found = [*complaints(), *contradictions()]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


COMMANDS: dict[str, Callable[[], int | None]] = {
    "update": update,
    "compile": compile_all,
    "check": check,
}


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    return COMMANDS[sys.argv[1]]() or 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rs_systems.settings")
    sys.exit(main())
