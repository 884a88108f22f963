"""The search finds a repair by each thing that its card shows."""

from collections.abc import Callable

import pytest

from apps.repairs import requesting
from apps.repairs.models import Damage, FleetUnit, Position, Repair
from apps.repairs.search import search
from tests.support.repairs import ESTIMATE, Cast

pytestmark = [pytest.mark.sqlite]


@pytest.fixture
def made(cast: Cast, request_repair: Callable[..., Repair]) -> Repair:
    cast.maria.user.last_name = "Álvarez Núñez"
    cast.maria.user.save()
    request_repair(by=cast.tom, damage=Damage.CRACK, position=Position.TOP_EDGE, unit=other(cast))
    return request_repair(by=cast.maria)


def other(cast: Cast) -> FleetUnit:
    return FleetUnit.objects.create(
        company=cast.lakeshore_unit.company, number="41", description="2018 Isuzu", plate="WI 2"
    )


@pytest.mark.parametrize(
    "words",
    [
        "417",
        "unit 417",
        "UNIT 417",
        "unidad 417",
        "p 62091",
        "62091",
        "freightliner",
        "Cascadia 2021",
        "star",
        "star break",
        "driver side",
        "maria",
        "ALVAREZ",
        "álvarez",
        "núñez 417",
        "nunez star 417",
        "redwood",
        "{number}",
        "{bare}",
    ],
)
def test_it_finds_the_repair_alone(made: Repair, words: str) -> None:
    words = words.format(number=made.number.lower(), bare=made.number.removeprefix("R-"))
    assert list(search(Repair.objects.all(), words)) == [made]


@pytest.mark.parametrize("words", ["417 crack", "unit 62091", "jane 417", "zzz", "%", "_", "'"])
def test_every_word_must_match(made: Repair, words: str) -> None:
    assert list(search(Repair.objects.all(), words)) == []


def test_one_letter_for_batches_finds_its_breaks(
    cast: Cast, request_batch: Callable[..., object]
) -> None:
    request_batch("65.00", "95.00")
    [batch] = {repair.batch for repair in Repair.objects.all()}
    assert batch
    requesting.request_repair(
        by=cast.jane,
        unit=cast.unit,
        damage=Damage.CHIP,
        position=Position.CENTER,
        estimate=ESTIMATE,
    )
    assert set(search(Repair.objects.all(), batch.number)) == set(batch.repairs.all())
