"""A message's own page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.core.models import Notification, NotificationDeliveryLog
from apps.core.reasons import Reason
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, LogEvent
from tests.support.people import a_person


def page(user, notification) -> str:
    client = Client()
    client.force_login(user)
    response = client.get(f"/notifications/{notification.pk}/")
    return response.content.decode() if response.status_code == 200 else str(response.status_code)


@pytest.fixture
def request_to(waiting, maria) -> Notification:
    return Notification.objects.get(recipient=maria.user, kind="repair_pending_approval")


def test_it_tells_its_recipient_how_it_was_delivered(request_to, maria):
    way = request_to.deliveries.get()
    way.state = DeliveryState.DELIVERED
    way.save()
    NotificationDeliveryLog.objects.create(
        delivery=way, attempt=1, event=LogEvent.DELIVERED, detail="250 2.0.0 OK"
    )
    shown = page(maria.user, request_to)
    assert "It arrived at the phone." in shown
    assert "Arrived" in shown
    # What a provider wrote is for the office.
    assert "250 2.0.0" not in shown


def test_the_office_sees_anyones_with_the_providers_words(request_to, sam):
    way = request_to.deliveries.get()
    NotificationDeliveryLog.objects.create(
        delivery=way, attempt=1, event=LogEvent.TRANSIENT, detail="throttled"
    )
    shown = page(sam.user, request_to)
    assert "Maria Alvarez" in shown
    assert "throttled" in shown


def test_to_anybody_else_it_does_not_exist(request_to, luis, jane):
    assert page(luis.user, request_to) == "404"
    assert page(jane.user, request_to) == "404"


def test_staff_without_the_right_does_not_see_anothers(request_to, someone):
    staff = a_person("clerk", "+12025550199")
    staff.is_staff = True
    staff.save()
    assert page(staff, request_to) == "404"


def test_it_says_until_when_a_message_waits_and_why(request_to, maria):
    way = request_to.deliveries.get()
    way.state, way.held_for = DeliveryState.HELD, Reason.QUIET_HOURS
    way.release_at = timezone.now() + timedelta(hours=3, minutes=5)
    way.save()
    NotificationDeliveryLog.objects.create(
        delivery=way, attempt=0, event=LogEvent.HELD, code=Reason.DIGEST
    )
    shown = page(maria.user, request_to)
    assert "It waits." in shown
    assert Reason.QUIET_HOURS.label in shown.replace("&#x27;", "'")
    assert "in 3\xa0hours" in shown
    assert f"Held back: {Reason.DIGEST.label}" in shown


def test_it_says_who_decided_that_it_was_not_sent(request_to, maria, sam):
    way = request_to.deliveries.get()
    way.state, way.decision = DeliveryState.SKIPPED, Reason.PERSON_OFF
    way.decided_by, way.decided_at = sam.user, timezone.now()
    way.save()
    shown = page(maria.user, request_to)
    assert "It was not sent." in shown
    assert f"{Reason.PERSON_OFF.label}, decided by Sam Whitaker" in shown


def test_it_says_what_settled_the_matter(request_to, waiting, maria):
    NotificationService().settle(waiting, because="approved by Luis, 9:02")
    shown = page(maria.user, request_to)
    assert "Settled: approved by Luis, 9:02" in shown
    assert "settled before this was sent: approved by Luis, 9:02" in shown


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_has_a_sentence(request_to, maria, state):
    way = request_to.deliveries.get()
    way.state, way.held_for = state, Reason.DIGEST
    way.release_at = timezone.now()
    way.save()
    assert 'data-testid="way"' in page(maria.user, request_to)


@pytest.mark.parametrize("event", LogEvent)
def test_every_event_has_a_sentence(request_to, maria, event):
    way = request_to.deliveries.get(channel=Channel.SMS)
    NotificationDeliveryLog.objects.create(delivery=way, attempt=1, event=event)
    assert 'class="event"' in page(maria.user, request_to)


def test_looking_does_not_mark_as_read(request_to, maria):
    page(maria.user, request_to)
    request_to.refresh_from_db()
    assert request_to.read_at is None
