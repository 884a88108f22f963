import pytest

from apps.core.message import user_text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("sold\u202e, elgoog", "sold, elgoog"),
        ("so\u200bl\u200dd\ufeff\u00ad\u2060", "sold"),
        ("a\x00b\x07c\x1b[31m", "abc[31m"),
        ("half \ud83d an emoji", "half  an emoji"),
        ("one\r\ntwo\rthree\u2028four\u0085five", "one\ntwo\nthree\nfour\nfive"),
        ("tab\tand\u00a0no-break\u3000space", "tab and no-break space"),
        ("Jos\u0065\u0301 \U0001f600 ünïcode", "José \U0001f600 ünïcode"),
        ("\u3164\u2800", ""),
    ],
)
def test_clean_removes_invisible_characters(typed: str, kept: str) -> None:
    assert user_text.clean(typed) == kept


def test_clean_line_keeps_one_line() -> None:
    forged = "Sold.\n\nEstimate: $1.00\u2028Approved by: the office"
    assert user_text.clean_line(forged) == "Sold. Estimate: $1.00 Approved by: the office"


@pytest.mark.parametrize(
    ("text", "visible"),
    [("sold", True), (".", True), ("\U0001f600", True), ("", False), (" \n", False)]
    + [(char * 3, False) for char in "\u200b\u3164\u2800\u00ad\u202e\ufe0f\u00a0\u0301"],
)
def test_a_text_of_blanks_has_nothing_visible(text: str, visible: bool) -> None:
    assert user_text.has_visible(text) is visible


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/pay",
        "HTTP://EVIL.EXAMPLE",
        "ftp://x.y",
        "www.evil.example",
        "evil.com",
        "evil.zip/invoice",
        "evil\u3002com",
        "a.b.evil.co.uk/x?y=z",
        "10.0.0.1:8080/x",
        "mailto:jane@evil.com",
        "jane@evil.com",
        "(https://evil.example)",
        "javascript:alert(1)",
    ],
)
def test_a_link_of_a_user_is_removed(link: str) -> None:
    assert user_text.remove_links(f"Pay at {link} today") == "Pay at [link removed] today"


@pytest.mark.parametrize(
    "text",
    [
        "The truck is sold on Friday. The buyer takes it as it is.",
        "It costs $4.50 more, e.g. 3.5 in. of crack, at 9:30 a.m.",
        "Call 202-555-0123, see R-1042 and/or unit D1",
    ],
)
def test_ordinary_words_are_not_taken_for_links(text: str) -> None:
    assert user_text.remove_links(text) == text


def test_a_dot_within_a_word_cannot_become_a_link() -> None:
    assert user_text.remove_links("It is sold.The buyer") == "It is sold. The buyer"
    assert user_text.remove_links("Done.It is sold") == "Done. It is sold"
    assert user_text.remove_links("evil.photography") == "evil. photography"


def test_a_quotation_cannot_be_ended_by_its_words() -> None:
    typed = 'Sold." RS Systems: pay at\nhttps://evil.example \u201cnow\u201d'
    quoted = "Sold.' RS Systems: pay at [link removed] 'now'"
    assert user_text.quotable(typed, 500) == quoted
    assert user_text.quotable("word " * 20, 30) == "word word word word word wo..."


def test_a_long_text_is_cleaned_in_linear_time() -> None:
    # A pattern with quadratic time would run into the timeout of the test.
    for unit in ("a.", "www", "1.", "://", "a@", "\u200b"):
        text = unit * (1_000_000 // len(unit))
        assert len(user_text.quotable(text, 500)) <= 500
