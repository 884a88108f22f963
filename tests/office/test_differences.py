from hypothesis import given
from hypothesis import strategies as st

from apps.office.differences import Piece, compare


def test_a_changed_word_is_shown_with_the_one_that_it_replaces():
    assert compare("Your repair is done.", "Your repair is finished.") == [
        Piece("", "Your repair is "),
        Piece("deleted", "done"),
        Piece("inserted", "finished"),
        Piece("", "."),
    ]


def test_changes_with_only_a_space_between_are_shown_as_one():
    assert compare("Go ahead now: unit", "Start it: unit") == [
        Piece("deleted", "Go ahead now"),
        Piece("inserted", "Start it"),
        Piece("", ": unit"),
    ]


def test_equal_texts_have_one_piece_and_empty_ones_none():
    assert compare("Same", "Same") == [Piece("", "Same")]
    assert compare("", "") == []


@given(st.text(), st.text())
def test_both_texts_can_be_read_from_the_pieces(old, new):
    pieces = compare(old, new)
    assert "".join(p.text for p in pieces if p.change != "inserted") == old
    assert "".join(p.text for p in pieces if p.change != "deleted") == new
