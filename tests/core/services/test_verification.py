"""Links and codes: who may confirm what with them, how often, and for how long."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from apps.core import tasks
from apps.core.models import Contact, Delivery, Notification, Suppression, Verification
from apps.core.models.verification import MOST_TRIES, code, token
from apps.core.providers import memory
from apps.core.services import contacts, verification
from apps.core.services.verification import PER_ADDRESS, PER_NETWORK, PER_USER, Result
from apps.core.states import Channel, DeliveryState
from tests.support.attempts import attempt

Person = Callable[..., User]
FIELDS = ("email", "phone")


@pytest.fixture
def contact(person: Person) -> Contact:
    """Return a contact without confirmed addresses and without consent."""
    return person(verified_email="", verified_phone="", sms_opt_in=False).contact


def send_all() -> None:
    for row in Delivery.objects.filter(state=DeliveryState.DUE):
        attempt(row.pk)


def wrong(row: Verification) -> str:
    return "000001" if code(row.pk) == "000000" else "000000"


def is_verified(contact: Contact, channel: Channel) -> bool:
    return Contact.objects.get(pk=contact.pk).is_verified(channel)


# --- Codes --------------------------------------------------------------------------------------
def test_the_code_of_the_text_message_confirms_the_number(contact: Contact) -> None:
    verification.send(contact, Channel.SMS)
    send_all()
    [text] = memory.texts
    assert text.to == contact.phone
    typed = text.text[:6]
    assert verification.confirm_phone(contact, f" {typed[:3]} {typed[3:]}") == Result.CONFIRMED
    assert is_verified(contact, Channel.SMS)
    assert verification.confirm_phone(contact, typed) == Result.OVER


def test_no_code_and_no_link_is_stored(contact: Contact) -> None:
    rows = [verification.send(contact, channel) for channel in Channel]
    stored = str(list(Notification.objects.values("context", "title", "text", "action_url"))) + str(
        list(Delivery.objects.values())
    )
    stored += str(list(Verification.objects.values()))
    for row in rows:
        assert f"'{code(row.pk)}'" not in stored
        assert token(row.pk) not in stored


def test_after_five_wrong_codes_the_right_one_is_refused(contact: Contact) -> None:
    row = verification.send(contact, Channel.SMS)
    for _ in range(MOST_TRIES - 1):
        assert verification.confirm_phone(contact, wrong(row)) == Result.WRONG
    assert verification.confirm_phone(contact, wrong(row)) == Result.OVER
    assert verification.confirm_phone(contact, code(row.pk)) == Result.OVER
    assert not is_verified(contact, Channel.SMS)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_guesses_at_the_same_time_are_counted_one_by_one(person: Person) -> None:
    contact = person(verified_phone="").contact
    row = verification.send(contact, Channel.SMS)
    results: list[Result] = []

    def guess() -> None:
        try:
            results.append(verification.confirm_phone(contact, wrong(row)))
        finally:
            connection.close()

    guesses = [threading.Thread(target=guess) for _ in range(12)]
    for each in guesses:
        each.start()
    for each in guesses:
        each.join()
    assert len(results) == 12
    assert set(results) <= {Result.WRONG, Result.OVER}
    assert Verification.objects.get(pk=row.pk).tries == MOST_TRIES


def test_a_code_ends_after_ten_minutes(contact: Contact) -> None:
    row = verification.send(contact, Channel.SMS)
    Verification.objects.update(expires_at=timezone.now())
    assert verification.confirm_phone(contact, code(row.pk)) == Result.OVER


def test_a_new_code_ends_the_one_before(contact: Contact) -> None:
    first, second = (verification.send(contact, Channel.SMS) for _ in range(2))
    assert verification.confirm_phone(contact, code(first.pk)) == Result.WRONG
    assert verification.confirm_phone(contact, code(second.pk)) == Result.CONFIRMED


def test_a_code_for_one_number_confirms_no_other(contact: Contact) -> None:
    row = verification.send(contact, Channel.SMS)
    contact.phone = "+12025550199"
    contacts.save(contact, FIELDS, by=contact.user)
    assert verification.confirm_phone(contact, code(row.pk)) == Result.OVER
    assert not is_verified(contact, Channel.SMS)


def test_a_code_of_another_person_confirms_nothing(contact: Contact, person: Person) -> None:
    other = person(phone=contact.phone, verified_phone="").contact
    row = verification.send(contact, Channel.SMS)
    mine = verification.send(other, Channel.SMS)
    assert code(row.pk) != code(mine.pk)
    assert verification.confirm_phone(other, code(row.pk)) == Result.WRONG


# --- Links --------------------------------------------------------------------------------------
def test_the_link_of_the_e_mail_confirms_the_address_once(contact: Contact) -> None:
    row = verification.send(contact, Channel.EMAIL)
    send_all()
    [mail] = memory.emails
    assert mail.to == [contact.email]
    assert f"/account/contact/confirm/{token(row.pk)}/" in str(mail.body)
    assert verification.confirm_email(token(row.pk)) == Result.CONFIRMED
    assert is_verified(contact, Channel.EMAIL)
    assert verification.confirm_email(token(row.pk)) == Result.OVER


def test_an_altered_link_confirms_nothing(contact: Contact) -> None:
    row = verification.send(contact, Channel.EMAIL)
    good = token(row.pk)
    other = token("0f8fad5b-d9cb-469f-a165-70867728950e")
    for bad in (good[:-1], f"{good}x", other, row.pk.hex, f"{row.pk.hex}.", "", good[::-1]):
        assert verification.confirm_email(bad) == Result.OVER
    # The signature of one ID does not serve another.
    assert verification.confirm_email(f"{row.pk.hex}.{other.partition('.')[2]}") == Result.OVER
    assert not is_verified(contact, Channel.EMAIL)


def test_a_code_s_row_does_not_serve_as_a_link(contact: Contact) -> None:
    row = verification.send(contact, Channel.SMS)
    assert verification.confirm_email(token(row.pk)) == Result.OVER


def test_a_link_ends_after_a_day_and_when_the_address_changes(contact: Contact) -> None:
    row = verification.send(contact, Channel.EMAIL)
    Verification.objects.update(expires_at=timezone.now())
    assert verification.confirm_email(token(row.pk)) == Result.OVER
    row = verification.send(contact, Channel.EMAIL)
    contact.email = "new@fleet.example"
    contacts.save(contact, FIELDS, by=contact.user)
    assert verification.confirm_email(token(row.pk)) == Result.OVER
    assert not is_verified(contact, Channel.EMAIL)


def test_an_earlier_link_still_confirms_and_ends_the_later_one(contact: Contact) -> None:
    first, second = (verification.send(contact, Channel.EMAIL) for _ in range(2))
    assert verification.confirm_email(token(first.pk)) == Result.CONFIRMED
    assert verification.confirm_email(token(second.pk)) == Result.OVER


# --- Limits -------------------------------------------------------------------------------------
@pytest.mark.parametrize("channel", Channel)
def test_an_address_gets_few_messages_in_an_hour(contact: Contact, channel: Channel) -> None:
    for _ in range(PER_ADDRESS[0].sent):
        verification.send(contact, channel)
    with pytest.raises(verification.TooMany, match="Try again in 1 hour"):
        verification.send(contact, channel)
    assert Delivery.objects.count() == PER_ADDRESS[0].sent
    Verification.objects.update(created_at=timezone.now() - timedelta(hours=1))
    verification.send(contact, channel)


def test_a_person_cannot_have_codes_sent_to_many_numbers(contact: Contact) -> None:
    for number in range(PER_USER[0].sent):
        contact.phone = f"+120255502{number:02}"
        contacts.save(contact, FIELDS, by=contact.user)
        verification.send(contact, Channel.SMS)
    contact.phone = "+12025550299"
    contacts.save(contact, FIELDS, by=contact.user)
    with pytest.raises(verification.TooMany):
        verification.send(contact, Channel.SMS)


def test_many_people_at_one_network_address_are_limited_together(person: Person) -> None:
    for _ in range(PER_NETWORK[0].sent):
        verification.send(person(verified_phone="").contact, Channel.SMS, network="yard")
    last = person(verified_phone="").contact
    with pytest.raises(verification.TooMany):
        verification.send(last, Channel.SMS, network="yard")
    verification.send(last, Channel.SMS, network="elsewhere")


def test_asking_for_new_passwords_does_not_use_up_the_codes(person: Person) -> None:
    contact = person(verified_phone="").contact
    for _ in range(PER_ADDRESS[0].sent):
        verification.send_new_password(contact, network="stranger")
    with pytest.raises(verification.TooMany):
        verification.send_new_password(contact, network="stranger")
    verification.send(contact, Channel.SMS, network="home")


def test_old_ones_are_deleted_with_the_old_logs(contact: Contact) -> None:
    old, new = (verification.send(contact, channel) for channel in Channel)
    months_ago = timezone.now() - timedelta(days=400)
    Verification.objects.filter(pk=old.pk).update(created_at=months_ago)
    tasks.cleanup_old_delivery_logs()
    assert list(Verification.objects.all()) == [new]


# --- What still stops a message -----------------------------------------------------------------
def test_a_direct_message_needs_no_consent_but_obeys_a_suppression(
    contact: Contact,
) -> None:
    Contact.objects.update(wants_email=False)
    Suppression.objects.create(channel=Channel.SMS, address=contact.phone, reason="opt_out")
    for channel in Channel:
        verification.send(contact, channel)
    send_all()
    assert len(memory.emails) == 1
    assert memory.texts == []
    assert "STOP" in Delivery.objects.get(channel=Channel.SMS).reason


def test_no_code_goes_out_while_texts_are_switched_off(contact: Contact, settings: Any) -> None:
    settings.SMS_ENABLED = False
    verification.send(contact, Channel.SMS)
    send_all()
    assert Delivery.objects.get().state == DeliveryState.SKIPPED
