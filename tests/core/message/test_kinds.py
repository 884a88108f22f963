from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import Field

from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.message import kinds
from apps.core.states import Priority


class Invoice(kinds.Context):
    number: kinds.Text
    total: kinds.Money
    lines: kinds.Count
    note: Annotated[str | None, Field(max_length=20)] = None


KIND = kinds.NotificationKind(
    "invoice_sent",
    "Invoice sent",
    kinds.Category("billing", "Billing"),
    Priority.LOW,
    Invoice(number="I-1", total=Decimal("10.50"), lines=1),
)
GOOD = {"number": "I-1", "total": "10.50", "lines": 2}


def test_a_context_that_fits_comes_back_as_its_type() -> None:
    context = KIND.validate(GOOD)
    assert isinstance(context, Invoice)
    assert context.total == Decimal("10.50")


def test_a_context_survives_json() -> None:
    stored = KIND.validate(GOOD).model_dump(mode="json")
    assert KIND.validate(stored) == KIND.validate(GOOD)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": None}, "number"),
        ({"number": "   "}, "number"),
        ({"number": 7}, "number"),
        ({"total": "12.345"}, "total"),
        ({"total": "-1"}, "total"),
        ({"total": "a lot"}, "total"),
        ({"lines": 0}, "lines"),
        ({"lines": "2"}, "lines"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_value_is_refused_with_the_field_s_name(
    change: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidContext, match=rf"'invoice_sent': {field}: "):
        KIND.validate(GOOD | change)


@pytest.mark.parametrize("missing", ["number", "total", "lines"])
def test_a_missing_value_is_refused_with_the_field_s_name(missing: str) -> None:
    context = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(InvalidContext, match=rf"{missing}: Field required"):
        KIND.validate(context)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InvalidContext) as caught:
        KIND.validate({"number": "", "lines": 2})
    assert "number: " in str(caught.value)
    assert "total: " in str(caught.value)


def test_an_unknown_kind_is_refused_with_the_known_names() -> None:
    with pytest.raises(UnknownKind, match=r"no notification kind 'repair_lost'.*repair_approved"):
        kinds.get("repair_lost")


def test_a_name_can_be_registered_once_only() -> None:
    known = next(iter(kinds.REGISTRY.values()))
    other = kinds.NotificationKind(
        known.name, "Other", known.category, known.priority, known.sample
    )
    with pytest.raises(ValueError, match="registered twice"):
        kinds.register(other)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("I-1\nTotal: 0", "I-1 Total: 0"),
        ("I\u202e-1\u200b", "I-1"),
        ("I\x00-1\x1b", "I-1"),
        ("I-1\u2028x", "I-1 x"),
    ],
)
def test_a_text_loses_control_bidi_and_zero_width_characters(typed: str, kept: str) -> None:
    assert KIND.validate({**GOOD, "number": typed}).model_dump()["number"] == kept


@pytest.mark.parametrize("typed", ["\u200b", "\u202e\u2060", "\u2800", " \u3164 "])
def test_a_text_without_visible_characters_is_refused(typed: str) -> None:
    with pytest.raises(InvalidContext, match="number"):
        KIND.validate({**GOOD, "number": typed})
