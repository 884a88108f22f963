"""The office's pages about people."""

import json
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from apps.core.models import (
    Choice,
    Contact,
    Delivery,
    Notification,
    NotificationDeliveryLog,
    Suppression,
    Verification,
)
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.models.suppression import SuppressionReason
from apps.core.services import preferences, verification
from apps.core.states import Channel, DeliveryState, LogEvent
from apps.office import reach
from apps.repairs.models import Company, EventAction, Profile, Role
from apps.site import history, personal_data
from tests.support.people import create_contact

PEOPLE = "/office/people/"


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("sam", first_name="Sam"))
    return client


def in_unreached(person: User) -> bool:
    return reach.unreached().filter(pk=person.pk).exists()


def test_a_person_with_one_way_that_works_can_be_reached(person):
    assert not in_unreached(person())
    assert not in_unreached(person(verified_email=""))
    assert not in_unreached(person(sms_opt_in=False))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verified_email": "", "phone": ""}, "e-mail address is not verified"),
        ({"email": "", "verified_phone": ""}, "mobile number is not verified"),
        ({"wants_email": False, "sms_opt_in": False}, "has not agreed to text messages"),
    ],
)
def test_a_person_without_a_way_is_listed_with_reason_and_remedy(office, person, changes, reason):
    somebody = person(**changes)
    assert in_unreached(somebody)
    page = office.get(PEOPLE + "unreached/").content.decode()
    assert reason in page
    assert f'href="{PEOPLE}{somebody.pk}/"' in page


def test_a_person_without_contact_details_is_listed(office, person):
    person(contact=False)
    assert "Add the contact details." in office.get(PEOPLE + "unreached/").content.decode()


def test_a_suppressed_address_and_a_stop_are_obstacles(office, person):
    somebody = person()
    Suppression.objects.create(
        channel=Channel.EMAIL, address=somebody.contact.email, reason=SuppressionReason.BOUNCE
    )
    assert not in_unreached(somebody)
    preferences.choose(somebody, "", Channel.SMS, Setting.OFF, via=ChoiceVia.STOP)
    assert in_unreached(somebody)
    page = office.get(PEOPLE + "unreached/").content.decode()
    assert "the address is suppressed: messages to it bounce" in page
    assert "switched off by a text message" in page


def test_who_has_left_is_not_listed(person):
    gone = person(contact=False)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    assert not in_unreached(gone)


def test_the_lists_need_the_same_queries_for_few_people_and_many(
    office, person, django_assert_num_queries, django_assert_max_num_queries
):
    for _ in range(12):
        person(verified_email="", phone="")
    with django_assert_max_num_queries(14):
        office.get(PEOPLE)
    with django_assert_max_num_queries(14):
        office.get(PEOPLE + "unreached/")


def test_a_new_colleague_is_one_form(office):
    company = Company.objects.create(name="Redwood Freight")
    given = {
        "first_name": "Ana",
        "last_name": "Ruiz",
        "username": "ana",
        "role": "manager",
        "company": company.pk,
        "email": "ana@redwood.example",
        "phone": "+12025550188",
        "time_zone": "America/Denver",
    }
    page = office.post(PEOPLE + "new/", given, follow=True).content.decode()
    assert "Ana Ruiz" in page
    ana = User.objects.get(username="ana")
    assert not ana.has_usable_password()
    assert Profile.objects.get(user=ana).company == company
    # Nothing else is sent before she has confirmed the address.
    assert (ana.contact.email, ana.contact.verified_email) == ("ana@redwood.example", "")
    assert Verification.objects.get(user=ana).address == "ana@redwood.example"
    assert Delivery.objects.get().notification.kind == "confirm_email"


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "manager"},
        {"role": "technician", "email": "nonsense"},
        {"role": "technician", "phone": "12"},
        {"role": "technician", "username": "SAM"},
        {"role": "technician", "time_zone": "Mars/Olympus"},
        {"role": ""},
    ],
)
def test_a_colleague_with_a_mistake_is_refused_as_a_whole(office, wrong):
    given = {
        "first_name": "Ana",
        "username": "ana",
        "email": "ana@redwood.example",
        "time_zone": "America/Denver",
    }
    page = office.post(PEOPLE + "new/", given | wrong).content.decode()
    assert "summary" in page or "errorlist" in page
    assert not User.objects.filter(username="ana").exists()
    assert not Contact.objects.exists()


def test_a_persons_page_tells_what_was_changed_by_whom(office, person, notify):
    somebody = person()
    notify(somebody)
    sam = User.objects.get(username="sam")
    preferences.choose(somebody, "approval", Channel.SMS, Setting.OFF, via=ChoiceVia.OFFICE, by=sam)
    page = office.get(f"{PEOPLE}{somebody.pk}/").content.decode()
    assert "<strong>Approvals, text message: off</strong>" in page
    assert "by the office, Sam" in page
    assert f"/notifications/{Notification.objects.get().pk}/" in page


def test_the_search_finds_by_name_address_and_number(office, person):
    somebody = person()
    for words in ("Person 1", somebody.contact.email, somebody.contact.phone[-6:]):
        assert office.get(PEOPLE, {"q": words}).content.decode().count('data-testid="person"') == 1
    person(email="jane@bücher.example", phone="+12025550166")
    for words in ("bücher", "jane@BÜCHER.example", "(202) 555-0166", "202.555.0166"):
        assert office.get(PEOPLE, {"q": words}).content.decode().count('data-testid="person"') == 1
    assert "No match" in office.get(PEOPLE, {"q": "nobody of this name"}).content.decode()


PATHS = ["", "new/", "unreached/", "{pk}/", "{pk}/export/", "{pk}/erase/"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_staff", [False, True])
def test_only_staff_with_the_right_sees_these_pages(client, person, path, is_staff):
    somebody = person()
    User.objects.filter(pk=somebody.pk).update(is_staff=is_staff)
    client.force_login(User.objects.get(pk=somebody.pk))
    assert client.get(PEOPLE + path.format(pk=somebody.pk)).status_code == 403


def test_a_right_without_being_staff_is_not_enough(client, person):
    somebody = person()
    somebody.user_permissions.add(Permission.objects.get(codename="view_notification"))
    client.force_login(User.objects.get(pk=somebody.pk))
    assert client.get(PEOPLE).status_code == 403


def test_the_office_exports_what_is_stored(office, person, notify):
    somebody = person()
    notify(somebody)
    told = json.loads(office.get(f"{PEOPLE}{somebody.pk}/export/").content)
    assert told["person"]["username"] == somebody.username
    assert len(told["messages"]) == 1


def test_an_erasure_needs_the_user_name_typed(office, person):
    somebody = person()
    url = f"{PEOPLE}{somebody.pk}/erase/"
    assert "Type the user name" in office.post(url, {"username": "sam"}).content.decode()
    assert office.get(url).status_code == 200
    somebody.refresh_from_db()
    assert somebody.is_active


def test_nobody_erases_themselves_or_an_administrator(office, person):
    sam = User.objects.get(username="sam")
    page = office.post(f"{PEOPLE}{sam.pk}/erase/", {"username": "sam"}).content.decode()
    assert "Somebody else has to erase you." in page
    chief = User.objects.create_superuser("chief")
    page = office.post(f"{PEOPLE}{chief.pk}/erase/", {"username": "chief"}).content.decode()
    assert "administration rights" in page
    assert User.objects.filter(username="chief", is_active=True).exists()


def test_an_erasure_removes_the_person_and_keeps_the_counts(office, person, notify):
    somebody = person()
    User.objects.filter(pk=somebody.pk).update(last_name="Ortiz", email="jane@home.example")
    somebody.refresh_from_db()
    other = person()
    [row, kept] = notify([somebody, other])
    sent = row.deliveries.get(channel=Channel.EMAIL)
    sent.state, sent.cost_usd = DeliveryState.DELIVERED, None
    sent.save()
    texted = row.deliveries.get(channel=Channel.SMS)
    texted.state, texted.cost_usd = DeliveryState.ACCEPTED, "0.00645"
    texted.cost_month = timezone.now().date().replace(day=1)
    texted.save()
    NotificationDeliveryLog.objects.create(
        delivery=sent, attempt=1, event=LogEvent.BOUNCED, detail=f"{somebody.contact.email} is full"
    )
    preferences.choose(somebody, "approval", Channel.SMS, Setting.OFF, via=ChoiceVia.PAGE)
    history.record(somebody.preferences, somebody, "Paused")
    verification.send(somebody.contact, Channel.EMAIL)
    words = {somebody.contact.email, somebody.contact.phone, "Ortiz", "jane@home.example"}

    office.post(f"{PEOPLE}{somebody.pk}/erase/", {"username": somebody.username})

    left = User.objects.get(pk=somebody.pk)
    assert not left.is_active
    assert not left.has_usable_password()
    told = json.dumps(personal_data.collect(left), default=str)
    for word in words:
        assert word not in told
    assert not re.search(r"is full|R-\d+", told)
    assert not Choice.objects.filter(user=somebody).exists()
    assert not LogEntry.objects.exists()
    assert Delivery.objects.filter(notification=row).count() == 2
    texted.refresh_from_db()
    assert texted.cost_usd is not None
    kept.refresh_from_db()
    assert kept.title


def test_an_erasure_stops_what_has_not_left(person, notify):
    somebody = person()
    notify(somebody)
    personal_data.erase(somebody)
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.SKIPPED}


def test_an_erased_technicians_name_leaves_the_history_of_repairs(db, person):
    from apps.repairs import requesting
    from apps.repairs.models import Damage, FleetUnit, Position, RepairEvent

    users = User.objects
    jane = users.create_user("jane", first_name="Jane", last_name="Ortiz")
    create_contact(jane, "+12025550177")
    profile = Profile.objects.create(user=jane, role=Role.TECHNICIAN)
    office = Profile.objects.create(user=users.create_user("sam"), role=Role.OFFICE)
    unit = FleetUnit.objects.create(
        company=Company.objects.create(name="Redwood"), number="1", description="Truck", plate="P"
    )
    requesting.request_repair(
        by=office, unit=unit, damage=Damage.CHIP, position=Position.CENTER, technician=profile
    )
    personal_data.erase(jane)
    notes = RepairEvent.objects.filter(action=EventAction.ASSIGNED).values_list("note", flat=True)
    assert list(notes) == ["a former colleague"]
