from collections.abc import Callable

import pytest
from django.db import IntegrityError, models, transaction

from apps.repairs.fields import TechnicianField
from apps.repairs.models import FleetUnit, Profile, Repair, RepairBatch, RepairEvent, Role, Status
from apps.repairs.models.numbering import primary_key
from tests.support.repairs import Cast

Make = Callable[..., Repair]
MakeBatch = Callable[..., RepairBatch]


@pytest.mark.parametrize(
    ("person", "sees"),
    [("maria", True), ("helen", False), ("jane", True), ("tom", False), ("sam", True)],
)
def test_a_repair_and_its_batch_are_visible_to_their_people_only(
    person: str, sees: bool, cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    profile = getattr(cast, person)
    assert list(RepairBatch.objects.visible_to(profile)) == ([batch] if sees else [])
    assert Repair.objects.visible_to(profile).count() == (2 if sees else 0)
    assert batch.repairs.visible_to(profile).count() == (2 if sees else 0)


def test_a_manager_chooses_among_the_own_companys_units_only(cast: Cast) -> None:
    assert list(FleetUnit.objects.visible_to(cast.helen)) == [cast.lakeshore_unit]
    assert FleetUnit.objects.visible_to(cast.jane).count() == 2


def test_only_active_technicians_are_offered_for_a_repair(cast: Cast) -> None:
    cast.tom.user.is_active = False
    cast.tom.user.save()
    offered = TechnicianField().queryset
    assert offered is not None
    assert list(offered) == [cast.jane]
    assert list(Profile.objects.technicians()) == [cast.jane, cast.tom]


def test_a_person_without_a_name_is_shown_by_username(cast: Cast) -> None:
    cast.jane.user.first_name = cast.jane.user.last_name = ""
    assert cast.jane.name == "jane"


def test_numbers_come_from_the_key_and_lead_back_to_it(
    request_repair: Make, request_batch: MakeBatch
) -> None:
    repair, batch = request_repair(), request_batch("65.00")
    assert repair.number == f"R-{1000 + repair.pk}"
    assert batch.number == f"B-{1000 + batch.pk}"


@pytest.mark.parametrize(
    ("typed", "key"),
    [("R-1042", 42), ("r1042", 42), (" B-1007 ", 7), ("1042", 42), ("417A", None), ("", None)],
)
def test_a_number_is_understood_as_people_type_it(typed: str, key: int | None) -> None:
    assert primary_key(typed) == key


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        (Status.AWAITING_APPROVAL, {"estimate": None}),
        (Status.DENIED, {"denial_reason": ""}),
        (Status.IN_PROGRESS, {"technician": None}),
        (Status.COMPLETED, {"final_cost": None}),
        (Status.REQUESTED, {"status": "on hold"}),
    ],
)
def test_the_database_refuses_a_state_without_what_it_needs(
    status: Status, missing: dict[str, object], repair: Callable[[Status], Repair]
) -> None:
    row = Repair.objects.filter(pk=repair(status).pk)
    assert_refused(row, **missing)


def test_the_database_refuses_an_event_with_an_unknown_action(request_repair: Make) -> None:
    assert_refused(RepairEvent.objects.filter(repair=request_repair()), action="painted")


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.OFFICE, "guest"])
def test_only_a_manager_has_a_company(role: str, cast: Cast) -> None:
    assert_refused(Profile.objects.filter(pk=cast.maria.pk), role=role)


def test_a_manager_has_a_company(cast: Cast) -> None:
    assert_refused(Profile.objects.filter(pk=cast.maria.pk), company=None)


def assert_refused(rows: models.QuerySet, **values: object) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(**values)
