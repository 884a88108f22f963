"""Changed addresses and consent to texts."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from apps.core.guards import suppressions
from apps.core.models import Contact, Delivery, Notification, Suppression
from apps.core.models.contact import ConsentVia
from apps.core.models.fields import to_e164
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import memory
from apps.core.services import contacts
from apps.core.states import Channel
from tests.support.attempts import attempt

Person = Callable[..., User]
FIELDS = ("email", "phone")


def send_all() -> None:
    for row in Delivery.objects.all():
        attempt(row.pk)


@pytest.mark.parametrize(
    ("channel", "field", "new"),
    [(Channel.EMAIL, "email", "new@fleet.example"), (Channel.SMS, "phone", "+12025550199")],
)
def test_a_changed_address_is_not_verified_even_if_it_is_changed_back(
    person: Person, channel: Channel, field: str, new: str
) -> None:
    contact = person().contact
    old = contact.address(channel)
    for address in (new, old):
        setattr(contact, field, address)
        assert contacts.save(contact, FIELDS, by=contact.user) == [channel]
    assert not Contact.objects.get(pk=contact.pk).is_verified(channel)


def test_the_same_address_in_other_letters_is_no_change(person: Person) -> None:
    contact = person().contact
    contact.email = contact.email.upper()
    assert contacts.save(contact, FIELDS, by=contact.user) == []
    assert Contact.objects.get(pk=contact.pk).is_verified(Channel.EMAIL)


def test_a_stop_that_came_meanwhile_is_kept(person: Person) -> None:
    contact = person().contact
    suppressions.suppress(Channel.SMS, contact.phone, SuppressionReason.OPT_OUT)
    contact.email = "new@fleet.example"
    contacts.save(contact, ["email"], by=contact.user)
    now = Contact.objects.get(pk=contact.pk)
    assert (now.email, now.sms_opt_in) == ("new@fleet.example", False)


def test_the_old_address_is_told_who_changed_it(person: Person, settings: Any) -> None:
    settings.OFFICE_PHONE = ""
    contact, sam = person().contact, person()
    User.objects.filter(pk=sam.pk).update(first_name="Sam", last_name="Whitaker")
    sam.refresh_from_db()
    old_email, old_phone = contact.email, contact.phone
    contact.email, contact.phone = "new@fleet.example", "+12025550144"
    contacts.save(contact, FIELDS, by=sam)
    send_all()
    [mail], [text] = memory.emails, memory.texts
    assert (mail.to, text.to) == ([old_email], old_phone)
    assert "Sam Whitaker changed your e-mail address." in str(mail.body)
    assert "Sam Whitaker changed your mobile number." in text.text
    for said in (str(mail.body), text.text):
        assert "new@fleet.example" not in said
        assert "0144" not in said
    assert Notification.objects.filter(read_at=None).count() == 2


def test_an_address_that_was_not_verified_is_told_nothing(person: Person) -> None:
    contact = person(verified_email="", sms_opt_in=False).contact
    contact.email, contact.phone = "new@fleet.example", "+12025550199"
    contacts.save(contact, FIELDS, by=contact.user)
    assert not Delivery.objects.exists()


def test_a_consent_is_kept_with_its_time_and_words(person: Person, settings: Any) -> None:
    contact = person(sms_opt_in=False).contact
    contacts.agree_to_texts(contact, ConsentVia.PAGE, by="jane")
    contact.refresh_from_db()
    assert contact.sms_opt_in
    assert contact.sms_agreed_at
    assert contact.sms_agreed_to == contacts.consent_wording()
    contacts.end_texts(contact, ConsentVia.PAGE)
    ended = Contact.objects.get()
    assert (ended.sms_opt_in, ended.sms_via) == (False, ConsentVia.PAGE)
    assert ended.sms_agreed_to
    assert ended.sms_withdrawn_at


def test_agreeing_again_lifts_the_stop_of_the_number(person: Person) -> None:
    contact = person(sms_opt_in=False).contact
    Suppression.objects.create(channel=Channel.SMS, address=contact.phone, reason="opt_out")
    contacts.agree_to_texts(contact, ConsentVia.PAGE, by="jane")
    assert not Suppression.objects.in_force().exists()


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("(202) 555-0123", "+12025550123"),
        ("202.555.0123", "+12025550123"),
        ("1 202 555 0123", "+12025550123"),
        ("+1-202-555-0123", "+12025550123"),
        ("2025550123", "+12025550123"),
        ("+44 20 7946 0018", "+442079460018"),
    ],
)
def test_a_number_is_typed_in_any_common_form(typed: str, stored: str) -> None:
    assert to_e164(typed) == stored
    contact = Contact(phone=typed)
    contact.clean_fields(exclude=["user"])
    assert contact.phone == stored


@pytest.mark.parametrize("typed", ["12", "not a number", "+1202", "555-0123", "+999 123 456 789"])
def test_what_is_no_number_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ValidationError):
        Contact(phone=typed).clean_fields(exclude=["user"])
