"""The words of all messages, in every language: what a recipient sees at a glance."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from apps.core.message import kinds, rendering, segments, stored_words, wording
from apps.core.message.parts import Part
from apps.core.models import Notification
from apps.repairs.kinds import NEXT_STEP, UNDONE
from apps.repairs.models import Damage, EventAction, Position, Status
from apps.repairs.models.batch import breaks
from tests.support.messages import in_app, sample

LONG = "Redwood and Sons Nationwide Freight and Logistics"
#: Fields whose values are names of people or companies.
NAMES = {"company", "technician", "by"}
every_language = pytest.mark.parametrize("language", ["en", "es"])
every_kind = pytest.mark.parametrize("name", list(kinds.worded()))
about_repairs = pytest.mark.parametrize(
    "name", [kind.name for kind in kinds.REGISTRY.values() if hasattr(kind.sample, "job")]
)


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = "https://app.rssystems.com"
    settings.OFFICE_PHONE = "+1 (202) 555-0199"


def with_long_names(context: dict[str, Any]) -> dict[str, Any]:
    return {
        field: with_long_names(value)
        if isinstance(value, dict)
        else LONG
        if field in NAMES or field.endswith("_by")
        else value
        for field, value in context.items()
    }


def long_names(name: str, language: str) -> Notification:
    context = kinds.get(name).sample.model_dump(mode="json")
    return sample(name, language, context=with_long_names(context))


@every_kind
def test_both_languages_word_the_same_parts(name: str) -> None:
    english, spanish = (wording.of_file(name, language) for language in ("en", "es"))
    assert (english.language, spanish.language) == ("en", "es")
    assert english.parts.keys() == spanish.parts.keys()
    assert english.parts[Part.TITLE] != spanish.parts[Part.TITLE] or name == "announcement"


@every_language
@about_repairs
def test_a_text_message_fits_one_part_also_with_long_names(name: str, language: str) -> None:
    for row in (sample(name, language), long_names(name, language)):
        text = rendering.sms(row).text
        size = segments.count(text)
        assert (size.encoding, size.parts) == (segments.GSM_7, 1), f"{size.units} units: {text}"
        assert text.endswith(" https://app.rssystems.com/repairs/1042/")
        assert " 417" in text


@every_language
@about_repairs
def test_a_subject_shows_the_unit_on_a_phone(name: str, language: str) -> None:
    assert "417" in rendering.email(long_names(name, language)).subject[:40]


@every_language
@about_repairs
def test_an_amount_is_in_the_heading_and_beside_the_subject(name: str, language: str) -> None:
    context = kinds.get(name).sample.model_dump()
    amounts = [value for value in context.values() if isinstance(value, Decimal)]
    row = sample(name, language)
    shown = in_app(row).title + rendering.email(row).subject
    assert not amounts or any(kinds.format_money(amount) in shown for amount in amounts)


@every_language
@about_repairs
def test_an_email_says_its_state_and_why_it_came(name: str, language: str) -> None:
    row, words = sample(name, language), wording.of_file(name, language)
    for body in (rendering.email(row).text, rendering.email(row).html):
        assert words.parts[Part.STATE] in body
        assert words.parts[Part.WHY].split(" {{")[0] in body


def test_every_word_that_a_message_stores_is_translated() -> None:
    labels = {label for each in (Status, EventAction) for label in each.labels}
    damages = {f"{one}, {side.lower()}" for one in Damage.labels for side in Position.labels}
    stored = labels | damages | {*NEXT_STEP.values(), *UNDONE.values(), breaks(1), breaks(3)}
    with override("es"):
        english = {word for word in stored if stored_words.translated(str(word)) == word}
    assert english == set()
