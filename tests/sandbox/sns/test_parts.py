import pytest

from apps.core.message import segments
from sandbox.sns import parts

TEXTS = {
    "empty": "",
    "one-full": "a" * 160,
    "two": "a" * 161,
    "two-full": "a" * 306,
    "three": "a" * 307,
    "escape-at-the-seam": "a" * 152 + "€" + "b" * 20,
    "extended-one-full": "€" * 80,
    "extended-two": "€" * 81,
    "ucs-one-full": "ж" * 70,
    "ucs-two": "ж" * 71,
    "pair-at-the-seam": "ж" * 66 + "🚚" + "ж" * 10,
    "controls": "line\nbreak {curly} [square]",
}


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS)
def test_the_sandbox_and_the_application_count_the_same_parts(body: str) -> None:
    counted = segments.count(body)
    assert (parts.encoding(body), len(parts.split(body))) == (counted.encoding, counted.parts)
    assert "".join(parts.split(body)) == body


def test_a_character_is_never_split_between_two_parts() -> None:
    assert [len(part) for part in parts.split("a" * 152 + "€" + "b" * 20)] == [152, 21]
