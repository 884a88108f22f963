from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core.message import decide, kinds, people
from apps.core.models import Contact
from apps.core.reasons import Verdict
from apps.core.states import Channel, Priority

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def contact(**changes: Any) -> Contact:
    values = {
        "email": "jane@fleet.example",
        "verified_email": "jane@fleet.example",
        "phone": "+12025550123",
        "verified_phone": "+12025550123",
        "sms_opt_in": True,
    }
    return Contact(user=User(username="jane"), **{**values, **changes})


@pytest.fixture(autouse=True)
def _texts(settings: Any) -> None:
    settings.SMS_ENABLED = True


def planned(priority: Priority, who: Contact | None) -> dict[Channel, decide.Decision]:
    reasons = {channel: people.why_not(channel, who) for channel in Channel}
    person = people.Person(
        id=1, zone=ZoneInfo("UTC"), unreachable={c: r for c, r in reasons.items() if r}
    )
    return decide.plan(kinds.get("repair_approved"), person, priority, timezone.now())


def taken(priority: Priority, who: Contact | None) -> list[Channel]:
    return [c for c, each in planned(priority, who).items() if each.verdict == Verdict.SEND]


def reasons(priority: Priority, who: Contact | None) -> dict[Channel, str]:
    found = planned(priority, who)
    return {c: str(r.reason.label) for c, r in found.items() if r.verdict == Verdict.SKIP}


@pytest.mark.parametrize(
    ("priority", "channels"),
    [
        (Priority.URGENT, [EMAIL, SMS]),
        (Priority.HIGH, [SMS]),
        (Priority.MEDIUM, [EMAIL]),
        (Priority.LOW, []),
    ],
)
def test_the_priority_picks_the_channels(priority: Priority, channels: list[Channel]) -> None:
    assert taken(priority, contact()) == channels


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"phone": ""}, "has no mobile number"),
        ({"verified_phone": "+12025550199"}, "mobile number is not verified"),
        ({"sms_opt_in": False}, "has not agreed to text messages"),
    ],
)
def test_high_falls_back_to_email_if_sms_cannot_be_used(
    change: dict[str, Any], reason: str
) -> None:
    assert taken(Priority.HIGH, contact(**change)) == [EMAIL]
    assert reasons(Priority.HIGH, contact(**change)) == {SMS: reason}


def test_urgent_goes_by_email_alone_if_sms_is_switched_off(settings: Any) -> None:
    settings.SMS_ENABLED = False
    assert taken(Priority.URGENT, contact()) == [EMAIL]


def test_who_wants_no_email_gets_none() -> None:
    nobody = contact(wants_email=False)
    assert taken(Priority.URGENT, nobody) == [SMS]
    assert reasons(Priority.MEDIUM, nobody) == {EMAIL: "wants no e-mail"}
    assert reasons(Priority.HIGH, contact(wants_email=False, sms_opt_in=False)) == {
        SMS: "has not agreed to text messages",
        EMAIL: "wants no e-mail",
    }


def test_an_unverified_address_gets_nothing() -> None:
    unverified = contact(verified_email="", verified_phone="")
    assert taken(Priority.URGENT, unverified) == []
    assert reasons(Priority.URGENT, unverified) == {
        EMAIL: "e-mail address is not verified",
        SMS: "mobile number is not verified",
    }


def test_a_verification_does_not_outlive_a_change_of_the_address() -> None:
    who = contact()
    who.email = "jane@elsewhere.example"
    assert taken(Priority.MEDIUM, who) == []


def test_a_person_without_contact_details_is_skipped_with_that_reason() -> None:
    assert reasons(Priority.MEDIUM, None) == {EMAIL: "has no contact details"}


def test_a_deactivated_account_gets_nothing() -> None:
    who = contact()
    who.user.is_active = False
    assert reasons(Priority.HIGH, who) == {
        SMS: "account is deactivated",
        EMAIL: "account is deactivated",
    }
