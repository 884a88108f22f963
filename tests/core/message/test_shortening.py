from hypothesis import given
from hypothesis import strategies as st

from apps.core.message import segments, shortening

LINK = "https://app.rssystems.com/repairs/1042/"
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=120)


def text(company: str, unit: str) -> str:
    marked = [shortening.mark(value) for value in (company, unit)]
    return shortening.fit(
        f"RS: R-1042 is approved for {marked[0]}, unit {marked[1]}. Start: {LINK}"
    )


def test_a_text_that_fits_stays_as_it_is() -> None:
    assert text("Redwood Freight", "417") == (
        f"RS: R-1042 is approved for Redwood Freight, unit 417. Start: {LINK}"
    )


def test_the_longest_value_is_cut_and_the_others_stay() -> None:
    shown = text("Redwood " * 12, "417-B")
    assert "for Redwood Redwood Redwood" in shown
    assert "..., unit" in shown
    assert "unit 417-B." in shown
    assert segments.count(shown).parts == 1


def test_a_cut_value_at_the_end_of_a_sentence_has_three_dots() -> None:
    shown = shortening.fit(f"Started: {shortening.mark('driver side ' * 20)}. {LINK}")
    assert "... https" in shown
    assert "...." not in shown


@given(NAMES, NAMES)
def test_one_part_with_the_reference_and_the_whole_link(company: str, unit: str) -> None:
    shown = text(company, unit)
    assert segments.count(shown).parts == 1
    assert shown.endswith(f" {LINK}")
    assert "R-1042" in shown
    is_whole = company in shown and unit in shown
    assert is_whole or segments.count(shown).units > 150


def test_a_link_in_a_value_is_never_cut() -> None:
    link = "https://example.com/" + "x" * 150
    shown = shortening.fit(f"See {shortening.mark(link)} and {shortening.mark('y' * 40)}")
    assert link in shown


def test_what_cannot_fit_takes_as_few_parts_as_it_can() -> None:
    shown = shortening.fit("w" * 170 + " " + shortening.mark("name " * 40))
    assert segments.count(shown).parts == 2


def test_marks_that_a_value_brings_along_are_removed() -> None:
    assert shortening.fit(shortening.mark("a\ue010b\ue011c")) == "abc"
