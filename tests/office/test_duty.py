"""Who must be reached by an urgent message and cannot be."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.core.models import Mark, Preferences, Suppression
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import memory
from apps.core.services import preferences
from apps.core.states import Channel
from apps.office import duty
from apps.office.tasks import tell_unreached
from apps.repairs.models import Company, Profile, Role


@pytest.fixture
def redwood(db):
    return Company.objects.create(name="Redwood Freight")


@pytest.fixture
def approver(person, redwood):
    def make(**contact):
        user = person(**contact)
        Profile.objects.create(user=user, role=Role.MANAGER, company=redwood)
        return user

    return make


def why(user: User) -> list[str]:
    return [why for each in duty.gaps() if each.user == user for why in each.why]


def suppress(channel: Channel, address: str) -> None:
    Suppression.objects.create(channel=channel, address=address, reason=SuppressionReason.BOUNCE)


def test_one_way_that_works_is_enough(approver):
    assert why(approver(verified_email="")) == []
    assert why(approver(sms_opt_in=False)) == []


def test_no_verified_address_and_no_consent(approver):
    assert why(approver(verified_email="", sms_opt_in=False)) == [
        "E-mail: e-mail address is not verified",
        "Text message: has not agreed to text messages",
    ]


def test_suppressed_addresses(approver):
    user = approver(sms_opt_in=False)
    suppress(Channel.EMAIL, user.contact.email)
    assert "the address is suppressed: messages to it bounce" in why(user)[0]


def test_a_stop_on_the_last_channel(approver):
    user = approver(verified_email="")
    preferences.choose(user, "", Channel.SMS, Setting.OFF, via=ChoiceVia.STOP)
    assert any("switched off by a text message" in each for each in why(user))


def test_an_unsubscription_from_the_category_of_urgent_messages(approver):
    user = approver(phone="")
    preferences.choose(user, "approval", Channel.EMAIL, Setting.OFF, via=ChoiceVia.MAIL_CLIENT)
    assert why(user) == ["Text message: has no mobile number"]


def test_a_pause_needs_a_deputy(approver):
    user, other = approver(), approver()
    until = timezone.now() + timedelta(days=3)
    Preferences.objects.create(user=user, paused_until=until)
    assert "nobody stands in" in why(user)[0]
    Preferences.objects.filter(user=user).update(deputy=other)
    assert why(user) == []


def test_a_company_without_an_approver(redwood):
    [found] = duty.gaps()
    assert (found.duty, found.user) == ("approves for Redwood Freight", None)


def test_a_technician_counts_and_the_office_and_who_left_do_not(person):
    users = [person(contact=False) for _ in range(3)]
    for user, role in zip(users, (Role.TECHNICIAN, Role.OFFICE, Role.TECHNICIAN), strict=True):
        Profile.objects.create(user=user, role=role)
    User.objects.filter(pk=users[2].pk).update(is_active=False)
    assert [each.user for each in duty.gaps()] == [users[0]]


def test_nothing_is_mailed_if_everyone_is_reached(approver):
    approver()
    tell_unreached()
    assert memory.emails == []
    assert not Mark.objects.exists()


def test_the_same_list_is_mailed_once_a_week_and_another_at_once(approver):
    approver(contact=False)
    tell_unreached()
    tell_unreached()
    [sent] = memory.emails
    body = str(sent.body)
    assert "Person 1 (approves for Redwood Freight): E-mail: has no contact details" in body
    Mark.objects.filter(name__startswith="unreached").update(at=timezone.now() - timedelta(days=7))
    tell_unreached()
    assert len(memory.emails) == 2
    approver(contact=False)
    tell_unreached()
    assert len(memory.emails) == 3


def test_the_page_lists_them_with_the_same_statements_for_few_and_many(
    approver, django_assert_max_num_queries
):
    client = Client()
    client.force_login(User.objects.create_superuser("sam"))
    for _ in range(8):
        approver(contact=False)
    with django_assert_max_num_queries(22):
        page = client.get("/office/people/unreached/").content.decode()
    assert page.count('data-testid="gap"') == 8
    assert "approves for Redwood Freight" in page
