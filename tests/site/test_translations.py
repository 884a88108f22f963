"""The catalogs are complete, compiled, and refused if they are not."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from tools import translations


@pytest.mark.parametrize("app", translations.APPS)
def test_every_word_that_an_app_marks_is_translated_and_compiled(app: str) -> None:
    assert list(translations.complaints((app,))) == []


def test_no_two_apps_translate_the_same_words_differently() -> None:
    assert list(translations.contradictions()) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (Message("Save", "Guardar"), ""),
        (Message("Save", ""), "has no translation"),
        (Message("Save", "Guardar", flags=["fuzzy"]), "is fuzzy"),
        (Message(("a day", "days"), ("un día", "")), "lacks a plural form"),
        (Message("{n} of {all}", "{n} de {todos}"), "has other placeholders than '{n} de {todos}'"),
        (Message("to %(name)s", "a"), "has other placeholders than 'a'"),
        (Message(("One day", "{n} days"), ("{n} día", "{n} días")), ""),
        (Message(("One day", "{n} days"), ("Un día", "{n} días")), ""),
        (
            Message(("One day", "{n} days"), ("Un día", "días")),
            "has other placeholders than 'días'",
        ),
    ],
)
def test_a_translation_is_refused_for_what_is_wrong_with_it(message: Message, problem: str) -> None:
    assert translations.wrong(message) == problem


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of one app with one template, outside of ours."""
    templates = tmp_path / "apps" / "shop" / "templates"
    templates.mkdir(parents=True)
    (templates / "page.html").write_text(
        "{% load i18n %}\n    <p>{% translate 'Save' %}</p>\n"
        "  {% blocktranslate count n=n %}One day{% plural %}{{ n }} days{% endblocktranslate %}"
    )
    (tmp_path / "apps" / "shop" / "views.py").write_text('label = pgettext("a button", "Open")\n')
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "APPS", ("shop",))
    return tmp_path


def complaints() -> list[str]:
    return [each.partition(": ")[2] for each in translations.complaints(("shop",))]


def translate(words: dict[str, str | tuple[str, ...]]) -> None:
    path = translations.path_of("shop", "es")
    catalog: Catalog = translations.read(path, "es")
    for message in list(catalog)[1:]:
        if said := words.get(translations.texts(message.id)[0]):
            message.string = said
    path.write_text(translations.po_of(catalog))


def test_update_check_and_compile_follow_the_source(project: Path) -> None:
    translations.update()
    assert complaints() == [
        "'Save' has no translation",
        "'One day' lacks a plural form",
        "'Open' has no translation",
        "its .mo is out of date; run: python -m tools.translations compile",
    ]
    translate({"Save": "Guardar", "Open": "Abrir", "One day": ("Un día", "%(n)s días")})
    translations.compile_all()
    assert complaints() == []
    (project / "apps" / "shop" / "views.py").write_text('label = pgettext("a button", "Shut")\n')
    assert complaints() == [
        "'Shut' is missing; run: python -m tools.translations update",
        "'Open' is in no source; run: python -m tools.translations update",
    ]
    translations.update()
    translate({"Shut": "Cerrar"})
    assert complaints() == ["its .mo is out of date; run: python -m tools.translations compile"]
    text = translations.path_of("shop", "es").read_text()
    translations.update()
    assert translations.path_of("shop", "es").read_text() == text
