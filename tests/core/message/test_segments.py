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


INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u00ad\u202e\ufe0f\0\x1b\x7f\x9f\u034f\u061c\u115f"
    "\u17b4\u180b\u206a\u3164\ufe00\uffa0\ufff9\U0001d173\U000e0001\U000e0041\U000e0101"
)
TYPOGRAPHIC = (
    "\u2010\u2011\u2012\u2212\u2032\u2033\u2034\u201a\u201e\u2039\u00ab\u02bc\u02ee\u00b4`\u2009\u3000\t\u2800"
    "\x85\u2028\u2024\u2025\u2027\u2796\u2e3a\ufe63\u301d\u275d\uff0d\uff02\uff07\uff0f\uff21\uff17\ufb01"
)


@pytest.mark.parametrize("char", INVISIBLE)
def test_a_character_that_no_one_sees_is_not_sent(char: str) -> None:
    assert segments.to_gsm(f"Unit{char}7 is ready") == "Unit7 is ready"


@pytest.mark.parametrize("char", TYPOGRAPHIC)
def test_a_character_that_looks_like_one_of_gsm_costs_no_more(char: str) -> None:
    text = segments.to_gsm(f"Unit{char}7 is ready")
    assert segments.is_gsm(text)
    assert len(text) > len("Unit7 is ready"), "it is replaced, not lost"


@pytest.mark.parametrize("char", sorted({*segments.GSM_BASIC, *segments.GSM_EXTENSION}))
def test_the_alphabet_itself_stays_as_it_is(char: str) -> None:
    assert segments.to_gsm(f"a{char}b") == f"a{char}b"


def test_a_composed_letter_is_sent_as_one_of_gsm() -> None:
    assert segments.to_gsm("Jose\u0301") == "José"


def test_an_accent_goes_only_if_the_text_fits_the_alphabet_without_it() -> None:
    assert segments.to_gsm("¿Está María aquí? Él no, señor Ríos.") == (
        "¿Esta Maria aqui? Él no, señor Rios."
    )
    assert segments.to_gsm("Ásta está \u0436") == "Ásta está \u0436"


def test_joiners_stay_if_the_text_needs_the_other_alphabet() -> None:
    assert segments.to_gsm("\U0001f468\u200d\U0001f527\u200b") == "\U0001f468\u200d\U0001f527"
