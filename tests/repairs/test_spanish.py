"""The pages of repairs for a reader of Spanish; what is stored stays English."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import translation

from apps.core.message.stored_words import translated
from apps.core.models import Contact, Notification
from apps.repairs import services
from apps.repairs.exceptions import AlreadyDone, NotAllowed
from apps.repairs.models import FleetUnit, Profile, Repair, RepairBatch, RepairEvent, Status
from apps.repairs.search import search
from apps.repairs.undo import undo
from tests.support.repairs import ESTIMATE, HIGHER_COST, Cast
from tests.support.spanish import english_lines, text_of

Make = Callable[..., Repair]
MakeBatch = Callable[..., RepairBatch]
#: What a person wrote; the word is the same in both languages.
WRITTEN = "Normal"


@pytest.fixture
def in_spanish(cast: Cast) -> Cast:
    Contact.objects.update(language="es")
    return cast


def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def pages_of(repairs: list[Repair], batch: RepairBatch) -> list[str]:
    own = ["", "deny/", "deny-cost/", "estimate/", "complete/", "photos/"]
    return [
        "/",
        "/?tab=all",
        "/?q=zzz",
        "/?tab=all&q=zzz",
        "/spend/",
        "/repairs/new/",
        "/photo-too-large/",
        batch.get_absolute_url(),
        f"{batch.get_absolute_url()}deny/",
        *(repair.get_absolute_url() + page for repair in repairs for page in own),
    ]


def make_everything(cast: Cast, repair: Make) -> list[Repair]:
    made = [repair(status) for status in Status if status != Status.DENIED]
    Repair.objects.exclude(cost_reason="").update(cost_reason=WRITTEN)
    denied = repair(Status.AWAITING_APPROVAL)
    services.deny(denied, WRITTEN, by=cast.maria)
    undone = repair(Status.AWAITING_APPROVAL)
    undo(services.approve(undone, by=cast.maria), by=cast.maria)
    services.assign(undone, cast.tom, by=cast.sam)
    RepairEvent.objects.filter(action="cost_submitted").update(
        note=f"$520.00 instead of $412.50: {WRITTEN}"
    )
    return [*made, denied, undone]


@pytest.mark.parametrize("name", ["maria", "jane", "tom"])
def test_no_page_has_an_english_word(
    in_spanish: Cast, repair: Make, request_batch: MakeBatch, name: str
) -> None:
    made = make_everything(in_spanish, repair)
    client, batch = as_(getattr(in_spanish, name)), request_batch("65.00", "95.00")
    seen = 0
    for path in pages_of(made, batch):
        answer = client.get(path)
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            seen += 1
            assert english_lines(answer.content.decode()) == [], path
    assert seen >= 5


def test_a_new_fleet_is_welcomed_in_spanish(in_spanish: Cast) -> None:
    FleetUnit.objects.all().delete()
    client = as_(in_spanish.maria)
    for path in ("/", "/repairs/new/", "/spend/"):
        assert english_lines(client.get(path).content.decode()) == [], path


def test_the_answers_to_actions_are_in_spanish(
    in_spanish: Cast, repair: Make, request_batch: MakeBatch
) -> None:
    one, other = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    batch, client = request_batch("65.00", "95.00"), as_(in_spanish.maria)
    services.approve(other, by=in_spanish.luis)
    selected = [f"approve-{one.pk}", f"approve-{other.pk}", f"approve_batch-{batch.pk}"]
    page = client.post("/repairs/approve/", {"selected": selected}, follow=True).content.decode()
    assert english_lines(page) == []
    assert "2 aprobadas, $572.50 en total." in page
    assert f"{other.number} ya fue aprobada por Luis Romero" in page
    page = client.post("/repairs/new/", {}).content.decode()
    assert "Elija el vehículo." in page
    assert "Unidad 417, 2021 Freightliner Cascadia" in page
    assert english_lines(page) == []


def test_a_sentence_that_ends_with_the_time_has_one_full_stop(
    in_spanish: Cast, repair: Make
) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    services.approve(made, by=in_spanish.luis)
    page = as_(in_spanish.maria).post(f"{made.get_absolute_url()}approve/", follow=True)
    shown = text_of(page.content.decode())
    assert f"{made.number} ya fue aprobada por Luis Romero (" in shown
    assert ".m.)." in shown


@pytest.mark.parametrize("typed", ["abc", "-1", "1000000", "1.234"])
def test_a_wrong_amount_says_what_to_enter(in_spanish: Cast, repair: Make, typed: str) -> None:
    made = repair(Status.REQUESTED)
    page = as_(in_spanish.jane).post(f"{made.get_absolute_url()}estimate/", {"amount": typed})
    words = "Escriba un importe de $0.00 a $99,999.99, como 185.50."
    assert words in text_of(page.content.decode())


def test_what_is_stored_stays_english(in_spanish: Cast, request_repair: Make) -> None:
    made, client = request_repair(estimate=ESTIMATE), as_(in_spanish.maria)
    client.post(f"{made.get_absolute_url()}approve/")
    client.post(f"/repairs/undo/{made.events.latest('pk').pk}/")
    notes = list(made.events.order_by("pk").values_list("action", "note"))
    assert notes[-2:] == [("approved", ""), ("undone", "approved")]
    about = Notification.objects.filter(about_id=str(made.pk))
    assert "undone by Maria Alvarez" in about.values_list("settled_because", flat=True)


def test_the_history_reads_in_spanish(in_spanish: Cast, repair: Make) -> None:
    made = repair(Status.COST_APPROVAL)
    services.approve_cost(made, by=in_spanish.maria)
    page = text_of(as_(in_spanish.maria).get(made.get_absolute_url()).content.decode())
    assert f"${HIGHER_COST} en lugar de $412.50" in page
    assert "Completada con el costo mayor" in page


def test_refusals_are_sentences_in_spanish(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    with translation.override("es"):
        with pytest.raises(NotAllowed, match=r"Solo un gerente de la empresa puede decidir sobre"):
            services.approve(made, by=cast.jane)
        services.approve(made, by=cast.luis)
        with pytest.raises(AlreadyDone, match=r"ya fue aprobada por Luis Romero \(\d+ \w+,"):
            services.approve(made, by=cast.maria)


@pytest.mark.parametrize("words", ["estrella", "rotura en estrella", "conductor", "star"])
def test_the_search_finds_the_words_of_the_page(
    cast: Cast, request_repair: Make, words: str
) -> None:
    made = request_repair()
    with translation.override("es"):
        assert list(search(Repair.objects.all(), words)) == [made]


def test_the_damage_of_a_stored_batch_reads_in_spanish(request_batch: MakeBatch) -> None:
    stored = request_batch("65.00", "95.00").summary
    with translation.override("es"):
        assert (stored, translated(stored)) == ("2 breaks", "2 roturas")
