import pytest

from apps.core.message import segments


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        # An extension character's two septets are not parted: 152 + 1 unused.
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),
        ("ñ" * 160, "GSM-7", 160, 1),
        ("ç" * 70, "UCS-2", 70, 1),
        ("ç" * 71, "UCS-2", 71, 2),
        ("“quoted”", "UCS-2", 8, 1),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 36, "UCS-2", 72, 2),
        # A surrogate pair is not parted: 66 + 1 unused.
        ("😀" * 67, "UCS-2", 134, 3),
        ("e\u0301", "UCS-2", 2, 1),
        ("שלום", "UCS-2", 4, 1),
    ],
)
def test_a_text_is_counted_as_the_network_counts_it(
    text: str, encoding: str, units: int, parts: int
) -> None:
    assert segments.count(text) == (encoding, units, parts)


def test_a_typed_apostrophe_does_not_double_the_price() -> None:
    typed = "It\u2019s sold \u2013 don\u2019t \u201crepair\u201d it\u2026"
    assert segments.to_gsm(typed) == "It's sold - don't \"repair\" it..."
    assert segments.count(segments.to_gsm(typed)).encoding == segments.GSM_7
