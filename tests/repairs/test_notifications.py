from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.message import rendering, things
from apps.core.models import Delivery, Notification
from apps.core.states import Priority
from apps.repairs import requesting, services
from apps.repairs.models import Damage, Position, Profile, Repair, RepairBatch, Status
from tests.support.repairs import ESTIMATE, FINAL_COST, REASON, Cast, told

Make = Callable[..., Repair]
MakeBatch = Callable[..., RepairBatch]


def only(kind: str) -> Notification:
    return Notification.objects.get(kind=kind)


def test_an_estimate_goes_to_all_managers_of_the_company(cast: Cast, repair: Make) -> None:
    repair(Status.AWAITING_APPROVAL)
    assert told() == [
        ("luis", "repair_pending_approval"),
        ("maria", "repair_pending_approval"),
    ]


def test_an_unpriced_request_notifies_no_manager(repair: Make) -> None:
    repair(Status.REQUESTED)
    assert told() == []


def test_an_approval_goes_to_the_technician(repair: Make) -> None:
    repair(Status.APPROVED)
    assert told("repair_approved") == [("jane", "repair_approved")]


def test_a_denial_carries_its_reason_to_the_technician(repair: Make) -> None:
    repair(Status.DENIED)
    assert told("repair_denied") == [("jane", "repair_denied")]
    assert only("repair_denied").context["reason"] == REASON


def test_the_managers_are_told_of_start_and_completion(repair: Make) -> None:
    repair(Status.COMPLETED)
    assert told("repair_in_progress") == [
        ("luis", "repair_in_progress"),
        ("maria", "repair_in_progress"),
    ]
    assert told("repair_completed") == [
        ("luis", "repair_completed"),
        ("maria", "repair_completed"),
    ]
    costs = Notification.objects.filter(kind="repair_completed").values_list("context", flat=True)
    assert {context["final_cost"] for context in costs} == {str(FINAL_COST)}


def test_an_approved_repair_notifies_its_technician_when_assigned(
    cast: Cast, request_repair: Make
) -> None:
    repair = request_repair(by=cast.maria)
    services.submit_estimate(repair, ESTIMATE, by=cast.sam)
    services.approve(repair, by=cast.maria)
    assert told("repair_approved") == []
    services.assign(repair, cast.tom, by=cast.sam)
    assert told("repair_assigned") == [("tom", "repair_assigned")]
    assert only("repair_assigned").context["status"] == "Approved"


def test_a_reassignment_tells_both_technicians(cast: Cast, repair: Make) -> None:
    services.assign(repair(Status.APPROVED), cast.tom, by=cast.sam)
    assert told("repair_assigned") == [("tom", "repair_assigned")]
    assert told("repair_reassigned_away") == [("jane", "repair_reassigned_away")]
    assert only("repair_reassigned_away").context["technician"] == "Tom Becker"


def test_a_repair_that_comes_back_is_told_again(cast: Cast, repair: Make) -> None:
    mine = repair(Status.APPROVED)
    for technician in (cast.tom, cast.jane, cast.tom):
        services.assign(mine, technician, by=cast.sam)
    assert told("repair_assigned") == [
        ("tom", "repair_assigned"),
        ("jane", "repair_assigned"),
        ("tom", "repair_assigned"),
    ]


def test_each_message_is_keyed_by_its_event_of_the_history(repair: Make) -> None:
    approved = repair(Status.APPROVED)
    message, event = only("repair_approved"), approved.events.get(action="approved")
    assert message.dedup_key == f"repair_approved:{event.pk}"


def test_a_message_leads_to_its_repair(repair: Make) -> None:
    approved = repair(Status.APPROVED)
    message = only("repair_approved")
    assert message.about == approved
    assert message.action_url == f"/repairs/{approved.pk}/"


def test_a_deactivated_manager_is_not_notified(cast: Cast, repair: Make) -> None:
    cast.luis.user.is_active = False
    cast.luis.user.save()
    repair(Status.AWAITING_APPROVAL)
    assert told() == [("maria", "repair_pending_approval")]


# --- Batches ------------------------------------------------------------------------------------
def test_a_batch_is_one_approval_request_with_its_total(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00", "240.50")
    assert told() == [
        ("luis", "repair_pending_approval"),
        ("maria", "repair_pending_approval"),
    ]
    message = Notification.objects.get(recipient=cast.maria.user, kind="repair_pending_approval")
    assert message.context["job"]["damage"] == "3 breaks"
    assert message.context["estimate"] == "400.50"
    assert (message.about, message.action_url) == (batch, f"/batches/{batch.pk}/")


def test_the_managers_are_asked_about_the_waiting_breaks_only(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00", None)
    services.approve_batch(batch, by=cast.maria)
    services.submit_estimate(batch.repairs.get(estimate=None), Decimal("30.50"), by=cast.jane)
    message = Notification.objects.get(recipient=cast.maria.user, kind="repair_pending_approval")
    assert message.context["job"]["damage"] == "1 break"
    assert message.context["estimate"] == "30.50"


def test_the_managers_are_asked_when_the_last_break_is_priced(
    cast: Cast, request_batch: MakeBatch
) -> None:
    first, second = request_batch(None, None).repairs.order_by("pk")
    services.submit_estimate(first, Decimal("65"), by=cast.jane)
    assert told() == []
    services.submit_estimate(second, Decimal("95"), by=cast.jane)
    assert len(told("repair_pending_approval")) == 2


def test_a_batch_given_to_a_technician_is_one_message(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch(None, "95.00", by=cast.sam, technician=cast.tom)
    assert told() == [("tom", "repair_assigned")]
    message = only("repair_assigned")
    assert message.context["job"]["number"] == batch.number
    assert message.context["status"] == "Requested"


def test_each_technician_of_a_batch_is_told_of_their_own_share(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00", "240.00")
    services.assign(batch.repairs.order_by("pk")[0], cast.tom, by=cast.sam)
    services.approve_batch(batch, by=cast.maria)
    messages = Notification.objects.filter(kind="batch_approved").select_related("recipient")
    shares = {
        row.recipient.username: (row.context["count"], row.context["total"]) for row in messages
    }
    assert shares == {"tom": (1, "65.00"), "jane": (2, "335.00")}


def test_a_denied_break_is_not_in_the_approved_total(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00")
    services.deny(batch.repairs.order_by("pk")[0], REASON, by=cast.maria)
    services.approve_batch(batch, by=cast.maria)
    context = only("batch_approved").context
    assert (context["count"], context["total"]) == (1, "95.00")


# --- A failure ----------------------------------------------------------------------------------
def test_a_repair_does_not_change_if_its_message_cannot_be_written(
    cast: Cast, repair: Make
) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    cast.unit.description = " "
    cast.unit.save()
    with pytest.raises(ValueError, match="vehicle"):
        services.approve(asked, by=cast.maria)
    assert Repair.objects.get(pk=asked.pk).status == Status.AWAITING_APPROVAL
    assert not asked.events.filter(action="approved").exists()


# --- Words of a user ----------------------------------------------------------------------------
def test_a_denial_quotes_its_author_on_one_line_without_links(cast: Cast, repair: Make) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    typed = 'Pay first: https://evil.example/x\r\nEstimate: $1.00" RS Systems: \u202ecall us'
    services.deny(asked, typed, by=cast.maria)
    message = only("repair_denied")
    quoted = "“Pay first: [link removed] Estimate: $1.00' RS Systems: call us”"
    assert f"Maria Alvarez denied {asked.number}" in message.text
    assert f"and wrote: {quoted}" in message.text
    email = rendering.email(message)
    assert quoted in email.text
    assert "\nEstimate: $1.00" not in email.text
    for shown in (email.text, email.html, rendering.sms(message).text):
        assert "evil" not in shown


def test_names_of_people_and_vehicles_forge_no_line_of_an_email(
    cast: Cast, request_repair: Make
) -> None:
    cast.jane.user.first_name = "Jane\u202e\nFinal cost: $1.00\n"
    cast.jane.user.save()
    cast.unit.description = "2021 Volvo\r\nEstimate: $1.00"
    cast.unit.save()
    request_repair(estimate=ESTIMATE)
    email = rendering.email(Notification.objects.filter(kind="repair_pending_approval")[0])
    assert "Jane Final cost: $1.00 Ortiz submitted" in email.text
    assert "\nFinal cost" not in email.text
    assert "\nEstimate: $1.00" not in email.text


def test_the_name_of_a_vehicle_brings_no_link_into_a_message(cast: Cast) -> None:
    """Managers and technicians enter vehicles, and their numbers are in texts of the brand."""
    unit = requesting.unit_of(
        cast.redwood, "evil.com/pay", description="See www.evil.com", plate="P 9", by=cast.jane
    )
    requesting.request_repair(
        by=cast.jane,
        unit=unit,
        damage=Damage.CHIP,
        position=Position.CENTER,
        estimate=ESTIMATE,
    )
    message = Notification.objects.filter(kind="repair_pending_approval")[0]
    email = rendering.email(message)
    for shown in (email.text, email.html, rendering.sms(message).text, message.title, message.text):
        assert "evil" not in shown
    assert "[link removed]" in email.text
    row = Repair.objects.get()
    name = things.describe("repairs.repair", [str(row.pk)])[str(row.pk)].name
    assert name == f"{row.number}, unit [link removed]"


def test_the_text_message_of_a_denial_leaves_the_reason_to_its_link(
    cast: Cast, repair: Make
) -> None:
    services.deny(repair(Status.AWAITING_APPROVAL), "Sold. evil.com", by=cast.maria)
    text = rendering.sms(only("repair_denied")).text
    assert "Do not work on it." in text
    assert "Sold" not in text


# --- Work without a technician ------------------------------------------------------------------
def test_a_request_without_a_technician_tells_the_office(cast: Cast, request_repair: Make) -> None:
    asked = request_repair(by=cast.maria)
    message = only("repair_unassigned")
    assert (message.recipient, message.priority) == (cast.sam.user, Priority.MEDIUM)
    assert (message.about, message.context["status"]) == (asked, "Requested")
    assert "requested by Maria Alvarez" in message.text


def test_who_leaves_the_technician_for_later_is_not_told(cast: Cast, request_repair: Make) -> None:
    request_repair(by=cast.sam)
    assert told() == []


def test_an_approval_without_a_technician_tells_the_office(
    cast: Cast, request_repair: Make
) -> None:
    asked = request_repair(by=cast.sam, estimate=ESTIMATE)
    services.approve(asked, by=cast.maria)
    assert told("repair_unassigned") == [("sam", "repair_unassigned")]
    assert only("repair_unassigned").context["status"] == "Approved"


def test_the_unassigned_share_of_an_approved_batch_is_one_message(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00", by=cast.sam)
    services.approve_batch(batch, by=cast.maria)
    message = only("repair_unassigned")
    assert (message.about, message.context["job"]["damage"]) == (batch, "2 breaks")


def test_an_assignment_ends_the_search_for_a_technician(cast: Cast, request_repair: Make) -> None:
    asked = request_repair(by=cast.maria)
    services.assign(asked, cast.tom, by=cast.sam)
    assert only("repair_unassigned").settled_because == "assigned by Sam Whitaker"


def test_the_search_for_a_batch_ends_with_its_last_repair(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch(None, None, by=cast.maria)
    first, second = batch.repairs.order_by("pk")
    services.assign(first, cast.tom, by=cast.sam)
    assert only("repair_unassigned").settled_at is None
    services.assign(second, cast.tom, by=cast.sam)
    assert only("repair_unassigned").settled_at is not None


# --- What a move settles ------------------------------------------------------------------------
def open_kinds(person: Profile) -> set[str]:
    """Return the kinds of the person's messages that are not settled, reminders included."""
    rows = Notification.objects.filter(recipient=person.user, settled_at=None)
    return set(rows.values_list("kind", flat=True))


@pytest.mark.parametrize("decide", ["approve", "deny"])
def test_a_decision_by_one_manager_clears_the_request_of_every_other(
    decide: str, cast: Cast, repair: Make
) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    requests = {"repair_pending_approval", "repair_approval_reminder"}
    assert open_kinds(cast.maria) == open_kinds(cast.luis) == requests
    assert open_kinds(cast.sam) == {"repair_approval_overdue"}
    if decide == "approve":
        services.approve(asked, by=cast.luis)
    else:
        services.deny(asked, REASON, by=cast.luis)
    assert open_kinds(cast.maria) == open_kinds(cast.luis) == open_kinds(cast.sam) == set()
    because = {row.settled_because for row in Notification.objects.exclude(settled_at=None)}
    assert because == {f"{'approved' if decide == 'approve' else 'denied'} by Luis Romero"}
    waiting = Delivery.objects.pending().filter(notification__recipient=cast.maria.user)
    assert not waiting.exists()


def test_an_approved_batch_clears_its_request(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00")
    services.approve_batch(batch, by=cast.luis)
    assert open_kinds(cast.maria) == set()


def test_the_last_denial_of_a_batch_clears_its_request(
    cast: Cast, request_batch: MakeBatch
) -> None:
    first, second = request_batch("65.00", "95.00").repairs.order_by("pk")
    services.deny(first, REASON, by=cast.luis)
    assert "repair_pending_approval" in open_kinds(cast.maria)
    services.deny(second, REASON, by=cast.luis)
    assert open_kinds(cast.maria) == set()


def test_a_technician_who_starts_needs_no_word_of_the_approval(cast: Cast, repair: Make) -> None:
    started = repair(Status.IN_PROGRESS)
    assert open_kinds(cast.jane) == set()
    approval = Notification.objects.get(kind="repair_approved", about_id=started.pk)
    assert approval.settled_because == "started by Jane Ortiz"
    assert not approval.deliveries.pending().exists()


def test_a_completion_replaces_the_word_of_the_start(cast: Cast, repair: Make) -> None:
    repair(Status.COMPLETED)
    assert open_kinds(cast.maria) == {"repair_completed"}


def test_a_reassignment_stops_the_previous_technicians_messages(cast: Cast, repair: Make) -> None:
    services.assign(repair(Status.APPROVED), cast.tom, by=cast.sam)
    assert open_kinds(cast.jane) == {"repair_reassigned_away"}
    assert open_kinds(cast.tom) == {"repair_assigned"}


def test_a_priced_repair_is_no_task_of_its_technician_any_more(
    cast: Cast, request_repair: Make
) -> None:
    mine = request_repair(by=cast.maria)
    services.assign(mine, cast.tom, by=cast.sam)
    services.submit_estimate(mine, ESTIMATE, by=cast.tom)
    assert open_kinds(cast.tom) == set()


# --- Reminders ----------------------------------------------------------------------------------
def test_an_approval_that_waits_is_brought_up_with_managers_and_office(
    cast: Cast, repair: Make, settings: Any
) -> None:
    settings.APPROVAL_REMINDER_H, settings.APPROVAL_OVERDUE_H = 20, 50
    asked = repair(Status.AWAITING_APPROVAL)
    submitted = asked.events.get(action="submitted")
    for kind, people, hours in (
        ("repair_approval_reminder", ["luis", "maria"], 20),
        ("repair_approval_overdue", ["sam"], 50),
    ):
        rows = Notification.objects.filter(kind=kind).order_by("recipient__username")
        assert [row.recipient.username for row in rows] == people
        for row in rows:
            assert row.visible_from == submitted.at + timedelta(hours=hours)
            assert {each.due_at for each in row.deliveries.all()} == {row.visible_from}
            assert f"{hours} hours" in row.text


def test_a_reminder_of_a_decided_approval_never_leaves(cast: Cast, repair: Make) -> None:
    repair(Status.APPROVED)
    reminders = Notification.objects.filter(kind__contains="approval_", settled_at=None)
    assert not reminders.exists()
    assert not Notification.objects.visible_to(cast.sam.user).exists()


# --- Costs --------------------------------------------------------------------------------------
def test_a_completion_goes_out_by_text_and_email_with_both_sums(cast: Cast, repair: Make) -> None:
    repair(Status.COMPLETED)
    done = Notification.objects.get(kind="repair_completed", recipient=cast.maria.user)
    assert set(done.deliveries.values_list("channel", flat=True)) == {"email", "sms"}
    email = rendering.email(done)
    for sum_ in ("$412.50", "$398.00"):
        assert sum_ in email.text
        assert sum_ in rendering.sms(done).text


def test_above_the_limit_of_texts_a_completion_is_one_email(
    cast: Cast, repair: Make, settings: Any
) -> None:
    settings.SMS_LIMIT_PER_PERSON_H = 2
    repair(Status.COMPLETED)
    done = Notification.objects.get(kind="repair_completed", recipient=cast.maria.user)
    assert set(done.deliveries.values_list("channel", flat=True)) == {"email"}


def test_a_higher_cost_asks_the_managers_with_both_sums_and_the_reason(
    cast: Cast, repair: Make
) -> None:
    repair(Status.COST_APPROVAL)
    assert told("repair_cost_pending") == [
        ("luis", "repair_cost_pending"),
        ("maria", "repair_cost_pending"),
    ]
    assert told("repair_completed") == []
    message = Notification.objects.get(kind="repair_cost_pending", recipient=cast.maria.user)
    for part in ("$520.00", "$412.50", REASON):
        assert part in message.text
    assert {"repair_cost_pending", "repair_approval_reminder"} <= open_kinds(cast.luis)


def test_an_approved_higher_cost_completes_the_repair_for_everyone(
    cast: Cast, repair: Make
) -> None:
    asked = repair(Status.COST_APPROVAL)
    services.approve_cost(asked, by=cast.luis)
    assert told("repair_cost_approved") == [("jane", "repair_cost_approved")]
    assert len(told("repair_completed")) == 2
    assert open_kinds(cast.maria) == {"repair_completed"}
    assert only("repair_cost_approved").context["approved"] == str(ESTIMATE)


def test_a_denied_higher_cost_tells_the_technician_what_stays_approved(
    cast: Cast, repair: Make
) -> None:
    asked = repair(Status.COST_APPROVAL)
    services.deny_cost(asked, "We agreed on one break.", by=cast.luis)
    message = only("repair_cost_denied")
    assert message.recipient == cast.jane.user
    for part in ("$520.00", "$412.50", "We agreed on one break."):
        assert part in message.text
    assert "repair_cost_pending" not in open_kinds(cast.maria)
