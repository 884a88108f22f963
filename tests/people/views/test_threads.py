"""Threads about repairs: what they show, and what their forms do."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from apps.core.models import Notification
from apps.core.services.notification import NotificationService
from apps.repairs import requesting, services
from apps.repairs.models import Damage, Position, Profile, Role, Status
from apps.repairs.requesting import Break

CENTRE = "/notifications/"


def client_of(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def centre(profile: Profile, **query: str) -> str:
    return client_of(profile).get(CENTRE, query).content.decode()


def rings(profile: Profile) -> int:
    bell = client_of(profile).get(CENTRE + "bell/").content.decode()
    shown = re.search(r'data-testid="bell-count">(\d+)<', bell)
    assert shown
    return int(shown[1])


def message_of(profile: Profile) -> Notification:
    return Notification.objects.visible_to(profile.user)[0]


def let_undo_end() -> None:
    """Let the seconds pass in which an action can be undone: then people are told of it."""
    soon = timezone.now() + timedelta(minutes=1)
    Notification.objects.filter(visible_from__lt=soon).update(
        visible_from=F("visible_from") - timedelta(minutes=1)
    )


def act(profile: Profile, action: str, **given: Any) -> Any:
    url = f"{CENTRE}{message_of(profile).pk}/act/"
    return client_of(profile).post(url, {"action": action, **given}, follow=True)


def test_a_manager_approves_in_the_center_and_the_other_sees_it_at_once(waiting, maria, luis):
    assert rings(luis) == 1
    answer = act(maria, "approve", back=CENTRE + "?tab=todo")
    assert f"{waiting.number} is approved." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == CENTRE + "?tab=todo"
    waiting.refresh_from_db()
    assert waiting.status == Status.APPROVED

    page = centre(luis)
    assert "Approved by Maria Alvarez" in page
    assert 'data-testid="approve"' not in page
    assert "Nothing to do" in centre(luis, tab="todo")


def test_an_action_in_the_center_can_be_undone(waiting, maria):
    page = act(maria, "approve").content.decode()
    undo = re.search(r'action="(/repairs/undo/\d+/)"', page)
    assert undo
    client_of(maria).post(undo[1])
    waiting.refresh_from_db()
    assert waiting.status == Status.AWAITING_APPROVAL
    assert 'data-testid="approve"' in centre(maria, tab="todo")


@pytest.mark.parametrize(
    ("action", "status"),
    [("approve_cost", Status.COMPLETED), ("deny_cost", Status.IN_PROGRESS)],
)
def test_a_higher_cost_is_decided_in_the_center(waiting, maria, jane, action, status):
    services.approve(waiting, by=maria)
    services.start(waiting, by=jane)
    services.complete(waiting, Decimal("990.00"), by=jane, reason="The crack was longer.")
    let_undo_end()
    assert "Approve $990.00" in centre(maria, tab="todo")
    act(maria, action, text="Too dear.")
    waiting.refresh_from_db()
    assert waiting.status == status


def test_a_second_approval_is_told_who_was_first(waiting, maria, luis):
    act(maria, "approve")
    page = act(luis, "approve").content.decode()
    assert f"{waiting.number} was already approved by Maria Alvarez" in page


def test_a_denial_in_the_center_takes_the_reason(waiting, maria):
    refused = act(maria, "deny", text="   ").content.decode()
    assert "Give the reason" in refused
    waiting.refresh_from_db()
    assert waiting.status == Status.AWAITING_APPROVAL

    act(maria, "deny", text="We sell this unit.")
    waiting.refresh_from_db()
    assert (waiting.status, waiting.denial_reason) == (Status.DENIED, "We sell this unit.")


def test_a_batch_is_approved_in_the_center(unit, jane, maria):
    one = Break(Damage.CHIP, Position.CENTER, "", Decimal(100))
    two = Break(Damage.CRACK, Position.TOP_EDGE, "", Decimal(200))
    batch = requesting.request_batch(by=jane, unit=unit, breaks=[one, two])
    page = centre(maria, tab="todo")
    assert "Approve $300.00" in page
    assert "2 breaks in one windshield" in page or batch.number in page
    act(maria, "approve_batch")
    assert {repair.status for repair in batch.repairs.all()} == {Status.APPROVED}


def test_a_technician_starts_in_the_center(waiting, maria, jane):
    services.approve(waiting, by=maria)
    let_undo_end()
    assert "Start the repair" in centre(jane, tab="todo")
    act(jane, "start")
    waiting.refresh_from_db()
    assert waiting.status == Status.IN_PROGRESS


@pytest.mark.parametrize("action", ["approve", "complete", "nonsense", ""])
def test_what_a_person_may_not_do_is_refused(waiting, jane, maria, action):
    Notification.objects.filter(recipient=maria.user).update(recipient=jane.user)
    act(jane, action)
    waiting.refresh_from_db()
    assert waiting.status == Status.AWAITING_APPROVAL


def test_another_persons_message_cannot_be_acted_on(waiting, maria, jane):
    url = f"{CENTRE}{message_of(maria).pk}/act/"
    assert client_of(jane).post(url, {"action": "approve"}).status_code == 404
    waiting.refresh_from_db()
    assert waiting.status == Status.AWAITING_APPROVAL


def test_acting_needs_a_csrf_token(waiting, maria):
    client = Client(enforce_csrf_checks=True)
    client.force_login(maria.user)
    url = f"{CENTRE}{message_of(maria).pk}/act/"
    assert client.post(url, {"action": "approve"}).status_code == 403


def test_the_messages_about_one_repair_are_one_row_with_the_latest(waiting, maria, jane):
    services.approve(waiting, by=maria)
    services.start(waiting, by=jane)
    let_undo_end()
    services.complete(waiting, Decimal("398.00"), by=jane)
    let_undo_end()
    page = centre(maria)
    assert page.count('data-testid="notification"') == 1
    assert "3 messages" in page
    assert message_of(maria).title in page


def test_marking_a_thread_marks_all_its_messages(waiting, maria, jane):
    services.approve(waiting, by=maria)
    services.start(waiting, by=jane)
    let_undo_end()
    client_of(maria).post(f"{CENTRE}{message_of(maria).pk}/read/")
    assert not Notification.objects.visible_to(maria.user).unread().exists()


def test_a_repair_that_one_may_not_see_now_shows_no_state_and_no_action(
    waiting, jane, maria, someone
):
    services.approve(waiting, by=maria)
    tom, sam = someone("Tom Becker", Role.TECHNICIAN), someone("Sam Whitaker", Role.OFFICE)
    services.assign(waiting, tom, by=sam)
    services.start(waiting, by=tom)
    let_undo_end()
    page = centre(jane)
    assert page.count('data-testid="notification"') == 1
    assert "In progress" not in page
    assert 'data-testid="start"' not in page


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("R-{pk}", True),
        ("417", True),
        ("P 62091", True),
        ("jane ortiz", True),
        ("maria", False),
        ("jane becker", False),
        ("R-99999", False),
    ],
)
def test_the_search_finds_by_repair_unit_plate_and_person(waiting, maria, words, found):
    page = centre(maria, q=words.format(pk=1000 + waiting.pk))
    assert (page.count('data-testid="notification"') == 1) is found


def test_the_bell_counts_what_was_read_and_still_waits(waiting, maria, luis):
    client_of(maria).post(CENTRE + "read-all/")
    assert rings(maria) == 1
    services.approve(waiting, by=luis)
    client_of(maria).post(CENTRE + "read-all/")
    assert rings(maria) == 0


def test_the_center_needs_the_same_queries_for_few_threads_and_many(
    unit, jane, maria, waiting, django_assert_max_num_queries
):
    for _ in range(8):
        requesting.request_repair(
            by=jane, unit=unit, damage=Damage.CHIP, position=Position.CENTER, estimate=Decimal(9)
        )
    client = client_of(maria)
    with django_assert_max_num_queries(13):
        client.get(CENTRE)


def test_a_settled_request_says_what_was_decided_instead_of_asking(waiting, maria, luis):
    because = "approved by Luis, 9:02"
    NotificationService().settle(waiting, because=because)
    page = centre(maria)
    assert "Approved by Luis, 9:02" in page
    assert "awaits your approval" not in page
    assert 'class="new"' not in page
