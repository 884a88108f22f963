"""A person's contact details: what is confirmed, what is off, and how to get it on again."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.core import addresses
from apps.core.models import Contact, Delivery, Notification, Suppression, Verification
from apps.core.models.verification import MOST_TRIES, code, token
from apps.core.reasons import Reason
from apps.core.services import verification
from apps.core.services.verification import PER_NETWORK
from apps.core.states import Channel

PAGE = "/account/contact/"
Person = Callable[..., User]


@pytest.fixture
def jane(person: Person) -> User:
    return person(verified_email="", verified_phone="", sms_opt_in=False)


@pytest.fixture
def signed_in(client: Client, jane: User) -> Client:
    client.force_login(jane)
    return client


def shown(client: Client) -> str:
    return re.sub(r"\s+", " ", client.get(PAGE).content.decode())


def posted(client: Client, path: str, **fields: str) -> str:
    answer = client.post(PAGE + path, fields, follow=True)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def contact(user: User) -> Contact:
    return Contact.objects.get(user=user)


# --- What the page says -------------------------------------------------------------------------
def test_the_page_says_what_is_off_and_offers_the_confirmation(signed_in: Client) -> None:
    page = shown(signed_in)
    assert "E-mail is off until you confirm this address." in page
    assert "Text messages are off until you confirm this number." in page
    assert page.count("Not confirmed") == 2
    assert f'action="{PAGE}send/email/"' in page
    assert f'action="{PAGE}send/sms/"' in page


def test_the_page_of_a_person_who_is_reached_everywhere_has_two_ticks(
    client: Client, person: Person
) -> None:
    client.force_login(person())
    page = shown(client)
    assert page.count("Confirmed</span>") == 2
    assert "is off" not in page
    assert "(202) 555-" in page


def test_a_person_without_a_contact_enters_one(client: Client, person: Person) -> None:
    user = person(contact=False)
    client.force_login(user)
    assert "there is no address" in shown(client)
    posted(client, "email/", email="jane@fleet.example")
    assert contact(user).email == "jane@fleet.example"


@pytest.mark.parametrize(("channel", "field"), [(Channel.EMAIL, "email"), (Channel.SMS, "phone")])
def test_an_address_whose_messages_come_back_is_said_and_not_offered(
    signed_in: Client, jane: User, channel: Channel, field: str
) -> None:
    address = getattr(contact(jane), field)
    Suppression.objects.create(channel=channel, address=address, reason="bounce")
    assert "ask the office to try this one again" in shown(signed_in)
    posted(signed_in, f"send/{'email' if field == 'email' else 'sms'}/")
    assert not Delivery.objects.exists()


def test_a_number_that_answered_stop_says_how_to_go_on(signed_in: Client, jane: User) -> None:
    number = contact(jane).phone
    Suppression.objects.create(channel=Channel.SMS, address=number, reason="opt_out")
    assert "Answer START to our last text message" in shown(signed_in)
    posted(signed_in, "send/sms/")
    assert not Delivery.objects.exists()
    # A confirmed number agrees again here.
    Contact.objects.update(verified_phone=number)
    posted(signed_in, "texts/", agree="yes")
    assert not Suppression.objects.in_force().exists()


# --- The number ---------------------------------------------------------------------------------
def test_a_number_is_confirmed_and_agreed_to_in_one_step(signed_in: Client, jane: User) -> None:
    number = addresses.shown(contact(jane).phone)
    assert number.startswith("(")
    said = posted(signed_in, "send/sms/")
    row = Verification.objects.get()
    assert f"A code is on its way to {number}." in said
    assert f"We sent a code to {number}." in Notification.objects.get().text
    assert code(row.pk) not in said
    assert 'autocomplete="one-time-code"' in said
    assert 'name="agree"' in said
    assert "checked" not in said
    posted(signed_in, "code/", code=code(row.pk), agree="on")
    mine = contact(jane)
    assert mine.is_verified(Channel.SMS)
    assert mine.sms_opt_in
    assert mine.sms_agreed_to in said


def test_a_confirmed_number_without_consent_gets_no_texts(signed_in: Client, jane: User) -> None:
    posted(signed_in, "send/sms/")
    said = posted(signed_in, "code/", code=code(Verification.objects.get().pk))
    assert "you have not agreed to them yet" in said
    assert contact(jane).why_not(Channel.SMS) == Reason.NO_CONSENT
    posted(signed_in, "texts/", agree="yes")
    assert contact(jane).why_not(Channel.SMS) is None
    said = posted(signed_in, "texts/", agree="no")
    assert "switched off on the page of contact details" in said
    assert not contact(jane).sms_opt_in


def test_guessing_codes_ends_after_five_tries(signed_in: Client, jane: User) -> None:
    posted(signed_in, "send/sms/")
    row = Verification.objects.get()
    guess = "000001" if code(row.pk) == "000000" else "000000"
    for _ in range(MOST_TRIES - 1):
        assert "That is not the code." in posted(signed_in, "code/", code=guess)
    assert "not valid any more" in posted(signed_in, "code/", code=guess)
    assert "not valid any more" in posted(signed_in, "code/", code=code(row.pk))
    assert not contact(jane).is_verified(Channel.SMS)


def test_a_code_is_sent_by_post_only(signed_in: Client) -> None:
    for path in ("send/sms/", "send/email/", "code/", "texts/", "email/", "phone/"):
        assert signed_in.get(PAGE + path).status_code == 405
    assert not Verification.objects.exists()


def test_too_many_codes_are_refused_with_a_time(
    client: Client, person: Person, signed_in: Client
) -> None:
    for _ in range(3):
        posted(signed_in, "send/sms/")
    assert "That was asked for too often. Try again in 1 hour." in posted(signed_in, "send/sms/")
    assert Delivery.objects.count() == 3


def test_one_network_address_cannot_have_codes_sent_to_many_people(person: Person) -> None:
    for _ in range(PER_NETWORK[0].sent + 1):
        visitor = Client()
        visitor.force_login(person(verified_phone=""))
        said = posted(visitor, "send/sms/")
    assert "asked for too often" in said
    assert Delivery.objects.count() == PER_NETWORK[0].sent


@pytest.mark.parametrize("path", ["send/sms/", "send/email/", "code/", "texts/", "phone/"])
def test_a_post_without_the_csrf_token_is_refused(jane: User, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(jane)
    before = contact(jane)
    fields = {"phone": "+12025550199", "agree": "yes", "code": "123456"}
    assert strict.post(PAGE + path, fields).status_code == 403
    assert contact(jane).phone == before.phone
    assert not contact(jane).sms_opt_in
    assert not Verification.objects.exists()


def test_a_changed_number_says_what_is_off(signed_in: Client, jane: User) -> None:
    said = posted(signed_in, "phone/", phone="202 555 0199")
    assert "saved. No text messages come until you confirm it." in said
    assert contact(jane).phone == "+12025550199"
    assert "Text me a code" in said


def test_a_number_of_a_new_area_code_is_saved_with_a_warning(signed_in: Client, jane: User) -> None:
    said = posted(signed_in, "phone/", phone="(350) 555-0199")
    assert contact(jane).phone == "+13505550199"
    assert "No known phone network" not in said
    said = posted(signed_in, "phone/", phone="(555) 555-0199")
    assert contact(jane).phone == "+15555550199"
    assert "No known phone network has this number." in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [("555-0199", "The area code is missing."), ("call me", "Write a phone number, as in")],
)
def test_a_number_that_cannot_be_is_kept_in_the_form_with_the_reason(
    signed_in: Client, jane: User, typed: str, said: str
) -> None:
    before = contact(jane).phone
    page = posted(signed_in, "phone/", phone=typed)
    assert said in page
    assert f'value="{typed}"' in page
    assert contact(jane).phone == before


# --- The address --------------------------------------------------------------------------------
def test_a_scanner_that_opens_the_link_confirms_nothing(
    signed_in: Client, client: Client, jane: User
) -> None:
    posted(signed_in, "send/email/")
    link = f"{PAGE}confirm/{token(Verification.objects.get().pk)}/"
    scanner = Client()
    for _ in range(3):
        assert "Is this your address?" in scanner.get(link).content.decode()
        scanner.head(link)
    assert not contact(jane).is_verified(Channel.EMAIL)
    answer = Client().post(link)
    assert "The address is confirmed" in answer.content.decode()
    assert contact(jane).is_verified(Channel.EMAIL)
    # Opened once more, it says so.
    assert "The address is confirmed" in Client().get(link).content.decode()


def test_a_used_link_does_not_confirm_the_address_again(signed_in: Client, jane: User) -> None:
    posted(signed_in, "send/email/")
    link = f"{PAGE}confirm/{token(Verification.objects.get().pk)}/"
    Client().post(link)
    Contact.objects.filter(user=jane).update(verified_email="")
    answer = Client().post(link)
    assert answer.status_code == 410
    assert not contact(jane).is_verified(Channel.EMAIL)


@pytest.mark.parametrize("bad", ["x", "x.y", "0f8fad5bd9cb469fa16570867728950e.sig", "%00"])
def test_an_altered_link_is_refused(db: None, bad: str) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(), method)(f"{PAGE}confirm/{bad}/")
        assert answer.status_code == 410
        assert "not valid any more" in answer.content.decode()


def test_a_link_s_page_needs_the_csrf_token(jane: User) -> None:
    row = verification.send(contact(jane), Channel.EMAIL)
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"{PAGE}confirm/{token(row.pk)}/").status_code == 403
    assert not contact(jane).is_verified(Channel.EMAIL)


def test_a_changed_address_ends_the_old_link(signed_in: Client, jane: User) -> None:
    posted(signed_in, "send/email/")
    link = f"{PAGE}confirm/{token(Verification.objects.get().pk)}/"
    said = posted(signed_in, "email/", email="New@Fleet.example")
    assert "No e-mail comes until you confirm it." in said
    assert contact(jane).email == "new@fleet.example"
    assert Client().post(link).status_code == 410


def test_an_expired_link_says_how_to_get_a_new_one(jane: User) -> None:
    row = verification.send(contact(jane), Channel.EMAIL)
    Verification.objects.update(expires_at=timezone.now())
    page = Client().get(f"{PAGE}confirm/{token(row.pk)}/").content.decode()
    assert "Have a new link sent" in page


def test_someone_else_s_details_cannot_be_changed(signed_in: Client, person: Person) -> None:
    other = person()
    posted(signed_in, "email/", email="new@fleet.example", user=str(other.pk), pk=str(other.pk))
    assert contact(other).email == f"{other.username}@fleet.example"
