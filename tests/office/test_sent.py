"""An old message as it was sent."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from apps.core.message import wording
from apps.core.message.parts import Part
from apps.core.models import Delivery, Notification
from apps.core.models.verification import code
from apps.core.services import verification
from apps.core.services import wording as service
from apps.core.states import Channel, DeliveryState

pytestmark = pytest.mark.django_db

ADDRESS = ("repair_approved", "en")


@pytest.fixture
def office():
    user = User.objects.create_user("sam", is_staff=True)
    rights = Permission.objects.filter(
        codename__in=["view_notification", "view_delivery", "view_wordingversion"]
    )
    user.user_permissions.set(rights)
    client = Client()
    client.force_login(user)
    return client


def publish(by, subject):
    def seen():
        return service.revision(service.draft(*ADDRESS), service.published(*ADDRESS))

    service.save(*ADDRESS, {Part.SUBJECT: subject}, why="Test.", by=by, seen=seen())
    service.publish(*ADDRESS, by=by, seen=seen())
    wording.forget()


def page(client, row, **query):
    return client.get(f"/office/messages/sent/{row.pk}/", query).content.decode()


def sent(notification, channel=Channel.EMAIL):
    rows = Delivery.objects.filter(notification=notification, channel=channel)
    rows.update(state=DeliveryState.DELIVERED)
    return rows.get()


def test_it_has_the_words_of_its_time_and_says_which(office, notify, person):
    sam = person()
    (before,) = notify(person())
    publish(sam, "First {{ job.unit }}")
    (first,) = notify(person())
    publish(sam, "Second {{ job.unit }}")
    shown = page(office, sent(before))
    assert "Approved: unit 417" in shown
    assert "The original words" in shown
    shown = page(office, sent(first))
    assert "First 417" in shown
    assert "Version 1" in shown
    assert "As it was sent" in shown


def test_the_frame_has_the_email_in_the_chosen_colors(office, notify, person):
    row = sent(notify(person())[0])
    light = office.get(f"/office/messages/sent/{row.pk}/frame/").content.decode()
    dark = office.get(f"/office/messages/sent/{row.pk}/frame/?shape=dark").content.decode()
    assert "Start the repair" in light
    assert 'content="light"' in light
    assert 'content="dark"' in dark
    assert "Start the repair" in page(office, row, shape="plain")


def test_a_text_message_is_shown_as_one_and_has_no_frame(office, notify, person):
    row = sent(notify(person())[0], Channel.SMS)
    assert '<p class="bubble"' in page(office, row)
    assert office.get(f"/office/messages/sent/{row.pk}/frame/").status_code == 404


def test_codes_and_links_are_masked(office, person):
    user = person()
    asked = verification.send(user.contact, Channel.SMS)
    shown = page(office, Delivery.objects.get())
    assert code(asked.pk) not in shown
    # The bullets of the mask are hyphens in the alphabet of text messages.
    assert "------" in shown
    mailed = verification.send(user.contact, Channel.EMAIL)
    row = Delivery.objects.get(channel=Channel.EMAIL)
    frame = office.get(f"/office/messages/sent/{row.pk}/frame/").content.decode()
    assert "/account/contact/confirm/" not in frame
    assert str(mailed.pk) not in frame


def test_a_message_that_has_not_left_is_not_called_sent(office, notify, person):
    row = Delivery.objects.filter(notification=notify(person())[0]).first()
    assert "As it would be sent" in page(office, row)


def test_a_message_from_before_the_versions_says_so(office, notify, person):
    row = sent(notify(person())[0])
    Notification.objects.update(wording="")
    assert "older than the versions" in page(office, row)


def test_erased_words_are_not_invented(office, notify, person):
    row = sent(notify(person())[0])
    Notification.objects.update(context={})
    assert "Its words were erased" in page(office, row)
    assert office.get(f"/office/messages/sent/{row.pk}/frame/").status_code == 404


def test_others_do_not_see_it(notify, person):
    user = person()
    row = sent(notify(user)[0])
    client = Client()
    client.force_login(user)
    for path in (f"/office/messages/sent/{row.pk}/", f"/office/messages/sent/{row.pk}/frame/"):
        assert client.get(path).status_code == 403


def test_the_admin_and_the_page_of_the_person_link_to_it(office, notify, person):
    row = sent(notify(person())[0])
    link = f"/office/messages/sent/{row.pk}/"
    assert link in office.get(f"/admin/core/delivery/{row.pk}/change/").content.decode()
    recipient = row.notification.recipient_id
    assert link in office.get(f"/office/people/{recipient}/").content.decode()
