"""Undo within seconds: what it restores, whom it tells, and when it is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Delivery, Notification
from apps.core.states import DeliveryState, Priority
from apps.repairs import services
from apps.repairs.exceptions import AlreadyDone, NotAllowed
from apps.repairs.models import EventAction, Profile, Repair, RepairBatch, RepairEvent, Status
from apps.repairs.undo import ACCEPTED, undo
from tests.support.repairs import FINAL_COST, HIGHER_COST, REASON, Cast, history

Make = Callable[..., Repair]
MakeBatch = Callable[..., RepairBatch]
Later = Callable[[timedelta], None]

#: The action, the status before it, who acts, how.
ACTS: dict[EventAction, tuple[Status, str, Callable[[Repair, Profile], RepairEvent]]] = {
    EventAction.APPROVED: (
        Status.AWAITING_APPROVAL,
        "maria",
        lambda repair, by: services.approve(repair, by=by),
    ),
    EventAction.DENIED: (
        Status.AWAITING_APPROVAL,
        "maria",
        lambda repair, by: services.deny(repair, REASON, by=by),
    ),
    EventAction.STARTED: (
        Status.APPROVED,
        "jane",
        lambda repair, by: services.start(repair, by=by),
    ),
    EventAction.COMPLETED: (
        Status.IN_PROGRESS,
        "jane",
        lambda repair, by: services.complete(repair, FINAL_COST, by=by),
    ),
    EventAction.COST_SUBMITTED: (
        Status.IN_PROGRESS,
        "jane",
        lambda repair, by: services.complete(repair, HIGHER_COST, by=by, reason=REASON),
    ),
    EventAction.COST_APPROVED: (
        Status.COST_APPROVAL,
        "maria",
        lambda repair, by: services.approve_cost(repair, by=by),
    ),
    EventAction.COST_DENIED: (
        Status.COST_APPROVAL,
        "maria",
        lambda repair, by: services.deny_cost(repair, REASON, by=by),
    ),
}
#: The kinds that tell of each action.
TELL = {
    EventAction.APPROVED: {"repair_approved"},
    EventAction.DENIED: {"repair_denied"},
    EventAction.STARTED: {"repair_in_progress"},
    EventAction.COMPLETED: {"repair_completed"},
    EventAction.COST_SUBMITTED: {"repair_cost_pending"},
    EventAction.COST_APPROVED: {"repair_cost_approved", "repair_completed"},
    EventAction.COST_DENIED: {"repair_cost_denied"},
}
each_act = pytest.mark.parametrize("action", list(ACTS))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Moves the application's clock forward."""
    real = timezone.now

    def move(by: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: real() + by)

    return move


def act(action: EventAction, repair: Make, cast: Cast) -> tuple[dict[str, Any], RepairEvent]:
    """Act, and return the repair's columns as they were before, and the event."""
    status, name, do = ACTS[action]
    made = repair(status)
    before = columns(made)
    return before, do(made, getattr(cast, name))


def columns(repair: Repair) -> dict[str, Any]:
    row = Repair.objects.values().get(pk=repair.pk)
    return {name: value for name, value in row.items() if name != "updated_at"}


def pending(*kinds: str) -> set[str]:
    rows = Delivery.objects.pending().filter(notification__kind__in=kinds)
    return set(rows.values_list("notification__kind", flat=True))


@each_act
def test_messages_about_it_wait_for_the_end_of_the_undo(
    action: EventAction, cast: Cast, repair: Make
) -> None:
    _, event = act(action, repair, cast)
    told = Notification.objects.filter(dedup_key__endswith=f":{event.pk}", kind__in=TELL[action])
    assert {row.kind for row in told} == TELL[action]
    for row in told:
        wait = 5 if row.priority == Priority.URGENT else 10
        assert row.visible_from == event.at + timedelta(seconds=wait)
        due = row.deliveries.exclude(state=DeliveryState.SKIPPED)
        assert {each.due_at for each in due} == {row.visible_from}


@each_act
def test_an_undo_restores_the_repair_and_stops_the_messages(
    action: EventAction, cast: Cast, repair: Make
) -> None:
    before, event = act(action, repair, cast)
    undo(event, by=event.actor)
    assert columns(event.repair) == before
    assert history(event.repair)[-1] == (
        "undone",
        event.actor.user.username,
        event.get_action_display().lower(),
    )
    sent = Notification.objects.filter(dedup_key__endswith=f":{event.pk}", kind__in=TELL[action])
    assert all(row.settled_because == f"undone by {event.actor.name}" for row in sent)
    assert pending(*TELL[action]) == set()
    assert not Notification.objects.filter(kind="repair_taken_back").exists()


@each_act
def test_what_was_undone_can_be_done_again_and_is_told(
    action: EventAction, cast: Cast, repair: Make
) -> None:
    _, event = act(action, repair, cast)
    undo(event, by=event.actor)
    again = ACTS[action][2](Repair.objects.get(pk=event.repair_id), event.actor)
    assert pending(*TELL[action]) == TELL[action]
    assert again.pk != event.pk


@each_act
def test_an_undo_after_the_messages_left_tells_the_same_people(
    action: EventAction, cast: Cast, repair: Make, later: Later
) -> None:
    _, event = act(action, repair, cast)
    sent = Notification.objects.filter(dedup_key__endswith=f":{event.pk}", kind__in=TELL[action])
    people = set(sent.values_list("recipient", flat=True))
    later(timedelta(seconds=9.5))
    undo(event, by=event.actor)
    corrected = Notification.objects.filter(kind="repair_taken_back")
    assert set(corrected.values_list("recipient", flat=True)) == people - {event.actor.user_id}
    assert "took back" in corrected[0].text
    assert columns(event.repair)["status"] == ACTS[action][0]


def test_an_undone_approval_asks_every_manager_again(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    assert not open_requests(cast.luis)
    undo(event, by=cast.maria)
    for manager in (cast.maria, cast.luis):
        assert [row.kind for row in open_requests(manager)] == ["repair_pending_approval"]
    # They have had the text message: it is not sent a second time.
    asked = Notification.objects.filter(kind="repair_pending_approval", settled_at=None)
    assert {row.priority for row in asked} == {Priority.LOW}
    reminders = Notification.objects.filter(kind="repair_approval_reminder", settled_at=None)
    assert reminders.count() == 2


def open_requests(person: Profile) -> list[Notification]:
    rows = Notification.objects.visible_to(person.user).unread()
    return list(rows.filter(kind__in=["repair_pending_approval", "repair_cost_pending"]))


def test_an_undone_approval_of_a_batch_restores_each_repair(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    events = services.approve_batch(batch, by=cast.maria)
    assert undo(events[0], by=cast.maria) == batch
    assert set(batch.repairs.values_list("status", flat=True)) == {Status.AWAITING_APPROVAL}
    assert pending("batch_approved") == set()
    assert len(open_requests(cast.luis)) == 1


def test_an_approval_of_a_batch_is_undone_as_a_whole_or_not_at_all(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    events = services.approve_batch(batch, by=cast.maria)
    started = batch.repairs.latest("pk")
    services.start(started, by=cast.jane)
    with pytest.raises(NotAllowed, match=f"{started.number} was started by Jane Ortiz meanwhile"):
        undo(events[0], by=cast.maria)
    statuses = set(batch.repairs.values_list("status", flat=True))
    assert statuses == {Status.APPROVED, Status.IN_PROGRESS}
    assert not RepairEvent.objects.filter(action=EventAction.UNDONE).exists()


def test_the_request_of_a_batch_stands_while_another_break_waits(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    event = services.deny(batch.repairs.all()[0], REASON, by=cast.maria)
    assert pending("repair_pending_approval")
    undo(event, by=cast.maria)
    asked = Notification.objects.filter(kind="repair_pending_approval")
    assert (asked.count(), asked.filter(settled_at=None).count()) == (2, 2)


def test_nothing_is_undone_if_another_person_moved_the_repair(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    services.start(Repair.objects.get(pk=event.repair_id), by=cast.jane)
    with pytest.raises(NotAllowed, match="was started by Jane Ortiz meanwhile"):
        undo(event, by=cast.maria)
    assert columns(event.repair)["status"] == Status.IN_PROGRESS
    assert pending("repair_in_progress") == {"repair_in_progress"}


def test_nothing_is_undone_if_the_repair_was_reassigned(cast: Cast, repair: Make) -> None:
    event = services.start(repair(Status.APPROVED), by=cast.jane)
    services.assign(Repair.objects.get(pk=event.repair_id), cast.tom, by=cast.sam)
    with pytest.raises(NotAllowed, match="was reassigned by Sam Whitaker meanwhile"):
        undo(event, by=cast.jane)


def test_an_action_is_undone_once(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    undo(event, by=cast.maria)
    with pytest.raises(NotAllowed, match="was undone by Maria Alvarez meanwhile"):
        undo(event, by=cast.maria)


def test_only_the_person_who_acted_may_undo(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    with pytest.raises(NotAllowed, match="You cannot undo this"):
        undo(event, by=cast.luis)


def test_an_assignment_is_not_undone(cast: Cast, repair: Make) -> None:
    made = repair(Status.APPROVED)
    services.assign(made, cast.tom, by=cast.sam)
    with pytest.raises(NotAllowed, match="You cannot undo this"):
        undo(made.events.get(action=EventAction.REASSIGNED), by=cast.sam)


def test_an_undo_that_comes_too_late_is_refused(cast: Cast, repair: Make, later: Later) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    later(ACCEPTED + timedelta(seconds=1))
    with pytest.raises(NotAllowed, match="too late"):
        undo(event, by=cast.maria)
    assert columns(event.repair)["status"] == Status.APPROVED


def test_an_undone_approval_costs_none_of_the_hours_texts(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    assert RepairEvent.objects.get(pk=event.pk).texts == 1
    undo(event, by=cast.maria)
    assert RepairEvent.objects.get(pk=event.pk).texts == 0


def test_an_undone_denial_is_not_taken_for_what_happened(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    undo(services.deny(made, REASON, by=cast.maria), by=cast.maria)
    with pytest.raises(AlreadyDone, match="was already requested by Jane Ortiz"):
        services.assign(Repair.objects.get(pk=made.pk), cast.jane, by=cast.sam)


# --- Pages --------------------------------------------------------------------------------------
def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def undo_url(event: RepairEvent) -> str:
    return reverse("repairs:undo", args=[event.pk])


def test_the_page_after_an_action_offers_to_undo_it_once(cast: Cast, repair: Make) -> None:
    made, client = repair(Status.AWAITING_APPROVAL), as_(cast.maria)
    client.post(reverse("repairs:approve", args=[made.pk]))
    event = made.events.get(action=EventAction.APPROVED)
    assert f'action="{undo_url(event)}"' in client.get(made.get_absolute_url()).content.decode()
    answer = client.post(undo_url(event))
    assert answer.headers["Location"] == made.get_absolute_url()
    shown = client.get(made.get_absolute_url()).content.decode()
    assert f"Undone: {made.number} is awaiting approval again." in shown
    assert 'data-testid="undo"' not in shown


@pytest.mark.parametrize("target", ["repair", "repair-1"])
def test_an_undo_by_htmx_returns_what_it_was_pressed_on(
    target: str, cast: Cast, repair: Make
) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    headers = {"HX-Request": "true", "HX-Target": target}
    shown = as_(cast.maria).post(undo_url(event), headers=headers).content.decode()
    assert "<html" not in shown
    assert 'data-testid="approve"' in shown
    assert ('id="waiting"' in shown) is (target == "repair-1")


@pytest.mark.parametrize("target", ["", "batch", "batch-1"])
def test_an_approval_of_a_batch_is_undone_from_its_page_and_card(
    target: str, cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    event = services.approve_batch(batch, by=cast.maria)[0]
    headers = {"HX-Request": "true", "HX-Target": target} if target else {}
    answer = as_(cast.maria).post(undo_url(event), headers=headers)
    if target:
        assert 'data-testid="approve-batch"' in answer.content.decode()
    else:
        assert answer.headers["Location"] == batch.get_absolute_url()


def test_the_undo_of_another_person_does_not_exist(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    for person in (cast.luis, cast.helen, cast.jane):
        assert as_(person).post(undo_url(event)).status_code == 404
    assert columns(event.repair)["status"] == Status.APPROVED


def test_an_undo_needs_a_post_and_a_token(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    assert as_(cast.maria).get(undo_url(event)).status_code == 405
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.maria.user)
    assert client.post(undo_url(event)).status_code == 403
    assert columns(event.repair)["status"] == Status.APPROVED


def test_a_refused_undo_says_why_on_the_repairs_page(cast: Cast, repair: Make) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)
    services.start(Repair.objects.get(pk=event.repair_id), by=cast.jane)
    client = as_(cast.maria)
    client.post(undo_url(event))
    shown = client.get(event.repair.get_absolute_url()).content.decode()
    assert "was started by Jane Ortiz meanwhile, so nothing was undone." in shown
