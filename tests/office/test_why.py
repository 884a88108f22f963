"""The command `why`."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.core.models import NotificationDeliveryLog
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, LogEvent
from apps.repairs.models import Company, FleetUnit, Profile, Repair, Role


def why(what: Any, *options: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("why", str(what), *options, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


@pytest.fixture
def bounced(delivery, person):
    jane = person(email="jane@fleet.example", phone="+12025550123")
    row = delivery(recipient=jane, state=DeliveryState.BOUNCED, reason="550 5.1.1 user unknown")
    NotificationDeliveryLog.objects.create(
        delivery=row, attempt=1, event=LogEvent.BOUNCED, code="550", detail="5.1.1 user unknown"
    )
    return row


@pytest.mark.parametrize(
    "name",
    ["username", "email", "phone", "national phone", "delivery", "notification"],
)
def test_it_tells_the_story_by_any_name(bounced, name):
    person = bounced.notification.recipient
    told, status = why(
        {
            "username": person.username.upper(),
            "email": "Jane@FLEET.example",
            "phone": "+12025550123",
            "national phone": "(202) 555-0123",
            "delivery": bounced.pk,
            "notification": bounced.notification_id,
        }[name]
    )
    assert "E-mail: It came back: the mailbox did not take it. Nothing more happens" in told
    assert "Why: no such mailbox." in told
    assert "Came back: no such mailbox" in told
    assert "550  5.1.1 user unknown" in told
    assert status == 1


def test_a_name_of_one_person_is_enough_and_of_two_is_not(person):
    rosa = person(email="rosa@fleet.example")
    User.objects.filter(pk=rosa.pk).update(first_name="Rosa", last_name="Delgado")
    told, status = why("rosa delgado")
    assert told.endswith("No message was ever made.\n")
    assert status == 0
    other = person(email="other@fleet.example")
    User.objects.filter(pk=other.pk).update(last_name="Delgado")
    with pytest.raises(CommandError, match="Several people have Delgado"):
        why("Delgado")


def test_it_knows_the_numbers_of_repairs(bounced, person):
    company = Company.objects.create(name="Redwood Freight")
    unit = FleetUnit.objects.create(company=company, number="417")
    repair = Repair(unit=unit, damage="chip", position="center")
    repair.requested_by = Profile.objects.create(user=person(), role=Role.TECHNICIAN)
    repair.save()
    with pytest.raises(CommandError):
        why("R-999999")
    assert why(repair.number) == ("No message was ever made.\n", 0)
    row = bounced.notification
    row.about_type, row.about_id = ContentType.objects.get_for_model(repair), str(repair.pk)
    row.save()
    told, status = why(repair.number)
    assert "no such mailbox" in told
    assert status == 1


@pytest.mark.parametrize(
    "what",
    ["nobody", "x@y.example", "+12025559999", "B-77", "1b671a64-40d5-491e-99b0-da01ff1f3341"],
)
def test_an_unknown_name_is_an_error_of_its_own(db, what):
    with pytest.raises(CommandError) as caught:
        why(what)
    assert caught.value.returncode == 2
    assert what in str(caught.value)


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_name_means_nobody(person, nothing):
    person(email="", phone="")
    with pytest.raises(CommandError, match="give a name"):
        why(nothing)


@pytest.mark.parametrize("count", ["0", "-1", "1001", "9" * 30, "many"])
def test_a_count_that_makes_no_sense_is_refused(count):
    with pytest.raises(CommandError, match="whole number from 1 to 1,000"):
        why("rosa", f"--last={count}")


def test_an_address_of_several_people_asks_which(person):
    one, two = person(email="shared@fleet.example"), person(email="shared@fleet.example")
    with pytest.raises(CommandError, match=f"{one.username}, {two.username}"):
        why("shared@fleet.example")


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([DeliveryState.DELIVERED], 0),
        ([DeliveryState.BOUNCED, DeliveryState.DELIVERED], 0),
        ([DeliveryState.BOUNCED, DeliveryState.SKIPPED], 1),
        ([DeliveryState.HELD], 0),
    ],
)
def test_the_exit_status_says_whether_a_message_failed(delivery, states, status):
    values = {"held_for": Reason.DIGEST, "release_at": timezone.now()}
    first = delivery(state=states[0], **values)
    for channel, state in zip([Channel.SMS], states[1:], strict=False):
        other = delivery(channel, state=state)
        other.notification = first.notification
        other.save()
    assert why(first.pk)[1] == status


def test_it_says_what_keeps_the_person_from_being_reached_now(person):
    somebody = person(verified_email="")
    told, status = why(somebody.username)
    assert "Now: E-mail: e-mail address is not verified. Send the confirmation again" in told
    assert status == 0


def test_json_has_the_whole_story(bounced):
    told, status = why(bounced.notification.recipient.username, "--json", "--last=1")
    [message] = json.loads(told)["messages"]
    assert message["has_failed"]
    assert status == 1
    assert message["ways"][0]["id"] == str(bounced.pk)
    assert message["ways"][0]["reason"] == "no such mailbox"
    assert message["ways"][0]["steps"][0]["code"] == "550"
