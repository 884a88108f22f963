"""A person's page of the office: what reached them, and fixing it in place."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from apps.core.models import Contact, Delivery, NotificationDeliveryLog, Suppression, Verification
from apps.core.models.suppression import SuppressionReason
from apps.core.reasons import Reason
from apps.core.services import contacts
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource
from apps.office import person_page

BOUNCED = {"state": DeliveryState.BOUNCED, "reason": "550 5.1.1 user unknown"}


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("sam", first_name="Sam"))
    return client


@pytest.fixture
def rosa(person) -> User:
    return person()


def url(user: User, rest: str = "") -> str:
    return f"/office/people/{user.pk}/{rest}"


def show(office: Client, user: User, **query: str) -> str:
    return office.get(url(user), query).content.decode()


def send_again(office: Client, row: Delivery, attempt: int) -> str:
    user = row.notification.recipient
    answer = office.post(url(user, f"again/{row.pk}/"), {"attempt": attempt}, follow=True)
    return answer.content.decode()


def suppress(user: User, reason: SuppressionReason = SuppressionReason.BOUNCE) -> Suppression:
    return Suppression.objects.create(
        channel=Channel.EMAIL, address=user.contact.email, reason=reason
    )


def test_it_says_what_came_back_and_why(office, rosa, delivery):
    delivery(recipient=rosa, **BOUNCED)
    page = show(office, rosa)
    assert "E-mail: came back, no such mailbox" in page
    assert 'data-testid="again"' in page


@pytest.mark.parametrize(
    ("shown", "number"),
    [("all", 4), ("texts", 1), ("emails", 1), ("bell", 4), ("waiting", 1), ("failed", 1)],
)
def test_each_tab_shows_its_messages(office, rosa, delivery, shown, number):
    delivery(recipient=rosa, **BOUNCED)
    delivery(recipient=rosa, channel=Channel.SMS, state=DeliveryState.DELIVERED)
    delivery(
        recipient=rosa,
        state=DeliveryState.HELD,
        held_for=Reason.DIGEST,
        release_at=timezone.now() + timedelta(hours=1),
    )
    delivery(recipient=rosa, state=DeliveryState.SENDING)
    assert show(office, rosa, show=shown).count('data-testid="seen"') == number


def test_a_text_is_shown_as_its_phone_showed_it(office, rosa, delivery):
    delivery(recipient=rosa, channel=Channel.SMS, state=DeliveryState.DELIVERED)
    page = show(office, rosa, show="texts")
    assert 'class="bubble"' in page
    assert "R-1042" in page


def test_words_that_were_erased_say_so(office, rosa, delivery):
    row = delivery(recipient=rosa, channel=Channel.SMS, state=DeliveryState.DELIVERED)
    row.notification.context = {}
    row.notification.save()
    assert "Its words were erased" in show(office, rosa, show="texts")


def test_a_long_list_is_paged_and_needs_the_same_statements(
    office, rosa, delivery, django_assert_max_num_queries
):
    for _ in range(person_page.PER_PAGE + 3):
        delivery(recipient=rosa, **BOUNCED)
    with django_assert_max_num_queries(26):
        page = show(office, rosa)
    assert page.count('data-testid="seen"') == person_page.PER_PAGE
    assert show(office, rosa, page="2").count('data-testid="seen"') == 3


def test_the_texts_of_a_page_cost_a_fixed_number_of_statements_each(
    office, rosa, delivery, django_assert_max_num_queries
):
    for _ in range(person_page.PER_PAGE + 3):
        delivery(recipient=rosa, channel=Channel.SMS, state=DeliveryState.DELIVERED)
    with django_assert_max_num_queries(26 + 2 * person_page.PER_PAGE):
        page = show(office, rosa, show="texts")
    assert page.count('class="bubble"') == person_page.PER_PAGE


def test_it_is_sent_again_once_however_often_the_button_is_pressed(office, rosa, delivery):
    row = delivery(recipient=rosa, attempts=1, **BOUNCED)
    assert "It is sent again" in send_again(office, row, 1)
    assert "it has moved on" in send_again(office, row, 1)
    row.refresh_from_db()
    assert row.state == DeliveryState.DUE
    entry = NotificationDeliveryLog.objects.get(delivery=row)
    assert (entry.event, entry.source, entry.detail) == (
        LogEvent.RESEND,
        LogSource.PERSON,
        "by sam",
    )


def test_a_press_on_an_old_page_does_not_repeat_a_later_attempt(office, rosa, delivery):
    row = delivery(recipient=rosa, attempts=2, **BOUNCED)
    assert "it has moved on" in send_again(office, row, 1)
    row.refresh_from_db()
    assert row.state == DeliveryState.BOUNCED


def test_what_was_delivered_or_belongs_to_another_person_is_not_sent_again(
    office, rosa, person, delivery
):
    row = delivery(recipient=rosa, state=DeliveryState.DELIVERED)
    assert "it has moved on" in send_again(office, row, 0)
    row = delivery(recipient=person(), **BOUNCED)
    assert office.post(url(rosa, f"again/{row.pk}/"), {"attempt": 0}).status_code == 404


def test_an_unknown_outcome_is_marked_as_arrived(office, rosa, delivery):
    row = delivery(recipient=rosa, state=DeliveryState.UNKNOWN)
    assert 'data-testid="arrived"' in show(office, rosa)
    office.post(url(rosa, f"arrived/{row.pk}/"), {"attempt": 0})
    row.refresh_from_db()
    assert row.state == DeliveryState.ACCEPTED
    assert row.log.get().detail == "by sam"


def test_a_bounce_is_lifted_in_the_name_of_who_did_it(office, rosa):
    row = suppress(rosa)
    assert 'data-testid="lift"' in show(office, rosa)
    office.post(url(rosa, f"lift/{row.pk}/"))
    row.refresh_from_db()
    assert row.lifted_at
    assert row.lifted_by == "sam"
    page = office.post(url(rosa, f"lift/{row.pk}/"), follow=True).content.decode()
    assert "It was lifted already." in page


def test_an_objection_is_its_owners_to_end(office, rosa):
    row = suppress(rosa, SuppressionReason.COMPLAINT)
    assert 'data-testid="lift"' not in show(office, rosa)
    page = office.post(url(rosa, f"lift/{row.pk}/"), follow=True).content.decode()
    assert "Its owner asked for that" in page
    row.refresh_from_db()
    assert row.lifted_at is None


def test_the_suppression_of_another_person_is_not_found(office, rosa, person):
    row = suppress(person())
    assert office.post(url(rosa, f"lift/{row.pk}/")).status_code == 404


def test_an_address_is_changed_and_the_confirmation_sent_and_recorded(office, rosa):
    answer = office.post(url(rosa, "address/email/"), {"email": "Rosa@new.example"}, follow=True)
    page = answer.content.decode()
    contact = Contact.objects.get(user=rosa)
    assert (contact.email, contact.verified_email) == ("rosa@new.example", "")
    assert contact.phone == rosa.contact.phone
    assert Verification.objects.get(user=rosa).address == "rosa@new.example"
    assert "A link is on its way to rosa@new.example." in page
    assert "Changed the e-mail address" in page
    assert "Sam" in page


def test_a_number_that_no_network_is_known_to_have_is_saved_with_a_warning(office, rosa):
    answer = office.post(url(rosa, "address/sms/"), {"phone": "(555) 555-0199"}, follow=True)
    page = answer.content.decode()
    rosa.contact.refresh_from_db()
    assert rosa.contact.phone == "+15555550199"
    assert "No known phone network has the number (555) 555-0199." in page


def test_the_same_address_changes_nothing(office, rosa):
    page = office.post(url(rosa, "address/email/"), {"email": rosa.contact.email}, follow=True)
    assert "That is the address already." in page.content.decode()
    assert not Verification.objects.exists()


@pytest.mark.parametrize(
    ("channel", "given"),
    [("email", "nonsense"), ("email", ""), ("sms", "12"), ("sms", "")],
)
def test_a_wrong_address_is_refused_on_the_page(office, rosa, channel, given):
    name = contacts.FIELDS[Channel(channel)]
    page = office.post(url(rosa, f"address/{channel}/"), {name: given}).content.decode()
    assert "errorlist" in page
    assert '<details class="ask" open>' in page
    assert Contact.objects.get(user=rosa).email == rosa.contact.email


def test_the_office_confirms_the_address_that_it_saw(office, person):
    rosa = person(verified_email="")
    assert 'data-testid="confirm"' in show(office, rosa)
    for other in ("another@fleet.example", "", "\0"):
        office.post(url(rosa, "confirm/email/"), {"address": other})
    assert Contact.objects.get(user=rosa).verified_email == ""
    page = office.post(
        url(rosa, "confirm/email/"), {"address": rosa.contact.email}, follow=True
    ).content.decode()
    assert Contact.objects.get(user=rosa).verified_email == rosa.contact.email
    assert "Confirmed the e-mail address" in page


def test_a_confirmation_respects_its_limits_and_suppressed_addresses(office, person):
    rosa = person(verified_email="")
    for _ in range(5):
        page = office.post(url(rosa, "ask/email/"), follow=True).content.decode()
    assert "asked for too often" in page
    suppress(rosa)
    page = office.post(url(rosa, "ask/email/"), follow=True).content.decode()
    assert "lift the suppression first" in page


def test_there_is_no_such_channel(office, rosa):
    assert office.post(url(rosa, "confirm/fax/")).status_code == 404


@pytest.mark.parametrize("rest", ["ask/email/", "confirm/email/", "address/email/", "lift/1/"])
def test_who_may_only_look_changes_nothing(rosa, rest):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_notification"))
    client = Client()
    client.force_login(clerk)
    assert client.get(url(rosa)).status_code == 200
    assert client.post(url(rosa, rest)).status_code == 403


@pytest.mark.parametrize("rest", ["ask/email/", "confirm/email/", "address/email/", "lift/1/"])
def test_a_change_takes_a_post_with_a_token(office, rosa, rest):
    assert office.get(url(rosa, rest)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="sam"))
    assert strict.post(url(rosa, rest)).status_code == 403
