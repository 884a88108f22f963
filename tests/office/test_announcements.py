"""Announcements: what the preview promises is what is sent, and a stop stops what is left."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.core.guards import sms_budget
from apps.core.models import Delivery, Notification
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.services import preferences
from apps.core.states import Channel, DeliveryState, Priority
from apps.office import announcing
from apps.office.models import Announcement
from apps.repairs.models import Company, Profile, Role

PAGES = "/office/announcements/"


@pytest.fixture
def sam(db: None) -> User:
    return User.objects.create_superuser("sam", first_name="Sam", last_name="Whitaker")


@pytest.fixture
def office(sam: User) -> Client:
    client = Client()
    client.force_login(sam)
    return client


@pytest.fixture
def draft(sam: User) -> Announcement:
    return Announcement.objects.create(
        title="We are closed on Thursday", text="Call us if it cannot wait.", written_by=sam
    )


def test_a_written_announcement_is_previewed_before_anything_is_sent(office, person):
    person()
    given = {"title": "Closed on Thursday", "text": "Call us.", "audience": "", "priority": "6"}
    page = office.post(PAGES + "new/", given, follow=True).content.decode()
    # Sam has no contact details: the app is all that reaches him.
    assert 'data-testid="recipients">2<' in page
    assert "Closed on Thursday" in page
    assert "Call us." in page
    assert not Notification.objects.exists()


def test_an_announcement_is_one_line_of_what_everyone_sees(office):
    forged = {"title": "Closed\u202e", "text": "Call\u200b us.\r\n\r\nEstimate:\t$1.00"}
    office.post(PAGES + "new/", forged | {"audience": "", "priority": "6"})
    made = Announcement.objects.get()
    assert (made.title, made.text) == ("Closed", "Call us. Estimate: $1.00")


@pytest.mark.parametrize(
    "wrong",
    [{"title": ""}, {"text": " \u200b "}, {"audience": "company:999"}, {"priority": "1"}],
)
def test_an_announcement_with_a_mistake_is_refused(office, wrong):
    given = {"title": "Closed", "text": "Call us.", "audience": "", "priority": "6"} | wrong
    assert 'data-testid="error-summary"' in office.post(PAGES + "new/", given).content.decode()
    assert not Announcement.objects.exists()


@pytest.mark.parametrize(
    "priority", [Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.URGENT]
)
def test_what_is_sent_is_what_the_estimate_said(draft, sam, person, priority):
    person()
    person(phone="", verified_phone="")
    switched_off = person()
    for channel in Channel:
        preferences.choose(switched_off, "system", channel, Setting.OFF, via=ChoiceVia.PAGE)
    draft.priority = priority
    draft.save()
    promised = announcing.estimate(draft)
    announcing.send(draft, by=sam)
    going = Delivery.objects.exclude(state=DeliveryState.SKIPPED)
    assert promised.recipients == Notification.objects.count() == 4
    assert promised.emails == going.filter(channel=Channel.EMAIL).count()
    assert promised.texts == going.filter(channel=Channel.SMS).count()
    reached = going.values("notification").distinct().count()
    assert promised.app_only == 4 - reached


def test_the_estimate_names_cost_and_time(draft, person, settings):
    settings.SMS_RATE_LIMIT = 1
    for _ in range(5):
        person()
    draft.priority = Priority.HIGH
    draft.save()
    found = announcing.estimate(draft)
    assert found.texts == 5
    assert found.cost == 5 * sms_budget.price("+12025550100", found.parts)
    assert found.takes.total_seconds() == 5 * found.parts


def test_a_budget_that_is_too_small_is_said(office, draft, person, settings):
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = Decimal("0.001")
    person()
    Announcement.objects.update(priority=Priority.HIGH)
    assert "some texts will not be sent" in office.get(f"{PAGES}{draft.pk}/").content.decode()


def test_an_audience_is_a_role_or_a_company(draft, person):
    redwood = Company.objects.create(name="Redwood")
    manager, technician = person(), person()
    Profile.objects.create(user=manager, role=Role.MANAGER, company=redwood)
    Profile.objects.create(user=technician, role=Role.TECHNICIAN)
    for audience, expected in (
        ("role:technician", technician),
        ("role:manager", manager),
        (f"company:{redwood.pk}", manager),
    ):
        draft.audience = audience
        assert list(announcing.recipients(draft)) == [expected]


def test_a_second_click_sends_nothing_again(office, draft, person):
    person()
    for _ in range(2):
        page = office.post(f"{PAGES}{draft.pk}/send/", follow=True).content.decode()
    assert "already sent" in page
    assert Notification.objects.count() == 2


def test_a_sent_announcement_can_no_longer_be_changed(office, draft):
    office.post(f"{PAGES}{draft.pk}/send/")
    assert office.get(f"{PAGES}{draft.pk}/change/").status_code == 404


def test_a_stop_stops_what_has_not_left_and_says_how_much(office, draft, person):
    for _ in range(4):
        person()
    office.post(f"{PAGES}{draft.pk}/send/")
    first = Delivery.objects.exclude(state=DeliveryState.SKIPPED).first()
    assert first
    first.state = DeliveryState.DELIVERED
    first.save()

    page = office.post(f"{PAGES}{draft.pk}/stop/", follow=True).content.decode()
    assert "Stopped: 3 messages will not leave." in page
    assert not Delivery.objects.pending().exists()
    first.refresh_from_db()
    assert first.state == DeliveryState.DELIVERED
    assert not Notification.objects.unread().exists()
    again = office.post(f"{PAGES}{draft.pk}/stop/", follow=True).content.decode()
    assert "There was nothing to stop." in again


def test_a_draft_cannot_be_stopped(office, draft):
    page = office.post(f"{PAGES}{draft.pk}/stop/", follow=True).content.decode()
    assert "There was nothing to stop." in page
    draft.refresh_from_db()
    assert draft.stopped_at is None


def test_the_progress_is_polled_until_all_is_done(office, draft, person):
    person()
    office.post(f"{PAGES}{draft.pk}/send/")
    poll = {"HX-Request": "true"}
    answer = office.get(f"{PAGES}{draft.pk}/", headers=poll)
    assert answer.status_code == 200
    assert 'hx-trigger="every 2s"' in answer.content.decode()
    Delivery.objects.pending().update(state=DeliveryState.DELIVERED)
    done = office.get(f"{PAGES}{draft.pk}/", headers=poll)
    # htmx stops polling at this status.
    assert done.status_code == 286
    assert "every 2s" not in done.content.decode()


def test_an_audience_that_is_gone_is_chosen_again(office, draft):
    Announcement.objects.update(audience="company:999")
    answer = office.get(f"{PAGES}{draft.pk}/")
    assert answer.headers["Location"] == f"{PAGES}{draft.pk}/change/"
    assert office.post(f"{PAGES}{draft.pk}/send/").headers["Location"].endswith("/change/")
    assert not Notification.objects.exists()


@pytest.mark.parametrize("path", ["", "new/", "{pk}/", "{pk}/change/"])
def test_only_the_office_sees_announcements(client, draft, person, path):
    client.force_login(person())
    assert client.get(PAGES + path.format(pk=draft.pk)).status_code == 403


@pytest.mark.parametrize("path", ["{pk}/send/", "{pk}/stop/"])
def test_sending_and_stopping_need_the_right_and_a_token(draft, person, sam, path):
    url = PAGES + path.format(pk=draft.pk)
    stranger = Client()
    stranger.force_login(person())
    assert stranger.post(url).status_code == 403
    careless = Client(enforce_csrf_checks=True)
    careless.force_login(sam)
    assert careless.post(url).status_code == 403
    assert not Notification.objects.exists()


def test_a_thousand_recipients_take_few_statements(draft, sam, django_assert_max_num_queries):
    User.objects.bulk_create(User(username=f"many{n}") for n in range(1000))
    with django_assert_max_num_queries(80):
        announcing.send(draft, by=sam)
    assert Notification.objects.count() == 1001
