"""A company without vehicles: what its people see, and its first repair."""

import pytest
from django.test import Client
from django.urls import reverse

from apps.repairs import requesting
from apps.repairs.exceptions import NotAllowed
from apps.repairs.models import Company, FleetUnit, Profile, Repair
from tests.support.repairs import Cast

REQUEST = "/repairs/new/"
BREAK = {
    "break-TOTAL_FORMS": "1",
    "break-INITIAL_FORMS": "1",
    "break-0-position": "center",
    "break-0-damage": "chip",
}
VEHICLE = {"new_number": "T-9", "new_description": "2024 Volvo VNR", "new_plate": "TX 90210"}


def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


@pytest.fixture
def new_fleet(cast: Cast) -> Cast:
    FleetUnit.objects.all().delete()
    return cast


def test_the_manager_of_a_new_fleet_sees_what_to_do(new_fleet: Cast) -> None:
    shown = as_(new_fleet.maria).get("/").content.decode()
    assert 'data-testid="new-fleet"' in shown
    assert REQUEST in shown
    assert 'class="tabs"' not in shown


@pytest.mark.parametrize("name", ["maria", "jane", "sam"])
def test_each_role_files_the_first_repair_with_its_vehicle(new_fleet: Cast, name: str) -> None:
    profile = getattr(new_fleet, name)
    client = as_(profile)
    form = client.get(REQUEST).content.decode()
    assert 'name="new_number"' in form
    assert ('name="new_company"' in form) is (name != "maria")
    given = BREAK | VEHICLE
    if name != "maria":
        given["new_company"] = str(new_fleet.redwood.pk)
    answer = client.post(REQUEST, given)
    made = Repair.objects.get()
    assert answer.headers["Location"] == made.get_absolute_url()
    unit = made.unit
    assert (unit.company, unit.number, unit.description, unit.plate) == (
        new_fleet.redwood,
        "T-9",
        "2024 Volvo VNR",
        "TX 90210",
    )


def test_a_new_vehicle_needs_all_of_its_fields(new_fleet: Cast) -> None:
    given = BREAK | VEHICLE | {"new_plate": ""}
    shown = as_(new_fleet.sam).post(REQUEST, given).content.decode()
    # The plate and the company, each in the summary and at its field.
    assert shown.count("A new vehicle needs this.") == 4
    assert not FleetUnit.objects.exists()
    assert not Repair.objects.exists()


def test_without_any_vehicle_an_empty_form_says_what_is_missing(new_fleet: Cast) -> None:
    shown = as_(new_fleet.maria).post(REQUEST, BREAK).content.decode()
    assert shown.count("A new vehicle needs this.") == 6
    assert not Repair.objects.exists()


def test_a_number_that_is_known_means_the_known_vehicle(cast: Cast) -> None:
    given = BREAK | VEHICLE | {"new_number": " 417 ", "new_company": str(cast.redwood.pk)}
    as_(cast.jane).post(REQUEST, given)
    assert Repair.objects.get().unit == cast.unit
    assert FleetUnit.objects.filter(company=cast.redwood).count() == 1


def test_the_list_wins_over_the_fields_of_a_new_vehicle(cast: Cast) -> None:
    as_(cast.maria).post(REQUEST, BREAK | VEHICLE | {"unit": str(cast.unit.pk)})
    assert Repair.objects.get().unit == cast.unit
    assert not FleetUnit.objects.filter(number="T-9").exists()


def test_a_manager_enters_vehicles_of_the_own_company_only(cast: Cast) -> None:
    given = BREAK | VEHICLE | {"new_company": str(cast.lakeshore_unit.company_id)}
    as_(cast.maria).post(REQUEST, given)
    assert FleetUnit.objects.get(number="T-9").company == cast.redwood
    with pytest.raises(NotAllowed, match="own company only"):
        requesting.unit_of(
            cast.lakeshore_unit.company, "T-10", description="x", plate="y", by=cast.maria
        )


def test_a_typed_number_finds_one_of_two_vehicles_that_differ_in_case_only(cast: Cast) -> None:
    first, _ = (
        FleetUnit.objects.create(company=cast.redwood, number=number, description="x", plate="y")
        for number in ("T-9a", "T-9A")
    )
    as_(cast.maria).post(REQUEST, BREAK | VEHICLE | {"new_number": "t-9A"})
    assert Repair.objects.get().unit == first


def test_a_refused_request_creates_no_vehicle(cast: Cast) -> None:
    given = BREAK | VEHICLE | {"break-0-estimate": "-5", "new_company": str(cast.redwood.pk)}
    as_(cast.jane).post(REQUEST, given)
    assert not FleetUnit.objects.filter(number="T-9").exists()


def test_without_companies_the_page_says_whom_to_ask(new_fleet: Cast) -> None:
    Profile.objects.filter(company__isnull=False).delete()
    Company.objects.all().delete()
    assert 'data-testid="no-companies"' in as_(new_fleet.jane).get(REQUEST).content.decode()


def test_a_manager_with_vehicles_and_no_repairs_is_asked_for_the_first(cast: Cast) -> None:
    shown = as_(cast.maria).get("/").content.decode()
    assert "No repairs yet" in shown
    assert reverse("repairs:request") in shown


def test_a_phone_gets_a_number_pad_and_letters_if_a_unit_has_some(cast: Cast) -> None:
    shown = as_(cast.jane).get(REQUEST).content.decode()
    assert 'inputmode="numeric"' in shown
    assert 'data-number="417"' in shown
    assert 'data-letters="find-unit"' in shown
    digits_alone = as_(cast.maria).get(REQUEST).content.decode()
    assert 'inputmode="numeric"' in digits_alone
    assert "data-letters" not in digits_alone
