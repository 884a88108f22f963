import pytest
from django.utils import translation

from apps.core.message import stored_words

SPANISH = {
    "Star break": "Rotura en estrella",
    "Driver side": "Lado del conductor",
    "breaks": "roturas",
    "You can start.": "Puede empezar.",
}


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_words, "gettext", lambda text: SPANISH.get(text, text))


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("You can start.", "Puede empezar."),
        ("Star break, driver side", "Rotura en estrella, lado del conductor"),
        ("3 breaks", "3 roturas"),
        ("star break", "rotura en estrella"),
        ("Redwood Freight, Inc.", "Redwood Freight, Inc."),
        ("417", "417"),
        ("3 ", "3 "),
        ("", ""),
    ],
)
def test_stored_words_are_translated_whole_or_in_pieces(stored: str, shown: str) -> None:
    assert stored_words.translated(stored) == shown


def test_without_a_catalog_the_english_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_words, "gettext", translation.gettext)
    with translation.override("en"):
        assert stored_words.translated("Star break, driver side") == "Star break, driver side"
