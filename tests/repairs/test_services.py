from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from apps.repairs import services
from apps.repairs.exceptions import AlreadyDone, NotAllowed
from apps.repairs.models import Repair, RepairBatch, RepairEvent, Status
from tests.support.repairs import ESTIMATE, FINAL_COST, REASON, Cast, history

Make = Callable[..., Repair]
MakeBatch = Callable[..., RepairBatch]


# --- Requesting ---------------------------------------------------------------------------------
def test_a_technicians_request_is_their_own_and_waits_for_a_price(
    cast: Cast, request_repair: Make
) -> None:
    repair = request_repair()
    assert (repair.status, repair.technician) == (Status.REQUESTED, cast.jane)
    assert history(repair) == [("requested", "jane", "")]


def test_a_technicians_priced_request_awaits_approval(
    request_repair: Make,
) -> None:
    repair = request_repair(estimate=ESTIMATE)
    assert (repair.status, repair.estimate) == (Status.AWAITING_APPROVAL, ESTIMATE)
    assert history(repair) == [("requested", "jane", ""), ("submitted", "jane", "$412.50")]


def test_a_managers_request_waits_for_a_technician_and_a_price(
    cast: Cast, request_repair: Make
) -> None:
    repair = request_repair(by=cast.maria)
    assert (repair.status, repair.technician) == (Status.REQUESTED, None)


def test_the_office_may_set_technician_and_estimate_at_once(
    cast: Cast, request_repair: Make
) -> None:
    repair = request_repair(by=cast.sam, technician=cast.tom, estimate=ESTIMATE)
    assert (repair.status, repair.technician) == (Status.AWAITING_APPROVAL, cast.tom)
    assert history(repair) == [
        ("requested", "sam", ""),
        ("assigned", "sam", "Tom Becker"),
        ("submitted", "sam", "$412.50"),
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"by": "helen"}, "units of your own company only"),
        ({"by": "maria", "estimate": ESTIMATE}, "sets the estimate"),
        ({"by": "maria", "technician": "jane"}, "Only the office may choose"),
        ({"by": "jane", "technician": "tom"}, "Only the office may choose"),
        ({"by": "sam", "technician": "maria"}, "Maria Alvarez does not work as a technician"),
        ({"estimate": Decimal("-1")}, r"between \$0.00 and \$99,999.99"),
        ({"estimate": Decimal("100000")}, r"between \$0.00 and \$99,999.99"),
    ],
)
def test_a_request_that_is_not_allowed_is_refused_with_a_reason(
    options: dict[str, object], sentence: str, cast: Cast, request_repair: Make
) -> None:
    people = {"by", "technician"}
    options = {k: getattr(cast, str(v)) if k in people else v for k, v in options.items()}
    with pytest.raises(NotAllowed, match=sentence):
        request_repair(**options)
    assert not Repair.objects.exists()


def test_a_batch_needs_a_break(request_batch: MakeBatch) -> None:
    with pytest.raises(NotAllowed, match="at least one break"):
        request_batch()
    assert not RepairBatch.objects.exists()


def test_a_deactivated_technician_is_not_assigned(cast: Cast, request_repair: Make) -> None:
    cast.tom.user.is_active = False
    with pytest.raises(NotAllowed, match="Tom Becker does not work as a technician"):
        services.assign(request_repair(), cast.tom, by=cast.sam)


# --- The way of a repair ------------------------------------------------------------------------
def test_the_history_has_every_event_of_a_repair(cast: Cast, request_repair: Make) -> None:
    repair = request_repair(by=cast.maria)
    services.assign(repair, cast.tom, by=cast.sam)
    services.submit_estimate(repair, ESTIMATE, by=cast.tom)
    services.assign(repair, cast.jane, by=cast.sam)
    services.approve(repair, by=cast.luis)
    services.start(repair, by=cast.jane)
    services.complete(repair, FINAL_COST, by=cast.jane)
    assert history(repair) == [
        ("requested", "maria", ""),
        ("assigned", "sam", "Tom Becker"),
        ("submitted", "tom", "$412.50"),
        ("reassigned", "sam", "from Tom Becker to Jane Ortiz"),
        ("approved", "luis", ""),
        ("started", "jane", ""),
        ("completed", "jane", "$398.00"),
    ]
    assert (repair.status, repair.final_cost) == (Status.COMPLETED, FINAL_COST)


def test_a_denial_keeps_its_reason(cast: Cast, repair: Make) -> None:
    denied = repair(Status.AWAITING_APPROVAL)
    services.deny(denied, f"  {REASON}\n", by=cast.maria)
    assert Repair.objects.get(pk=denied.pk).denial_reason == REASON
    assert history(denied)[-1] == ("denied", "maria", REASON)


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "\u200b\u3164\u2800", "\u202e"])
def test_a_denial_needs_a_reason_that_fits(reason: str, cast: Cast, repair: Make) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    with pytest.raises(NotAllowed, match="Give a reason of at most 500 characters"):
        services.deny(asked, reason, by=cast.maria)
    assert Repair.objects.get(pk=asked.pk).status == Status.AWAITING_APPROVAL


def test_a_description_is_kept_without_invisible_characters(request_repair: Make) -> None:
    assert request_repair(description="bay\u202e 4\x00\n").description == "bay 4"


def test_amounts_are_kept_in_whole_cents(cast: Cast, repair: Make) -> None:
    priced = repair(Status.REQUESTED)
    services.submit_estimate(priced, Decimal("80"), by=cast.jane)
    assert str(priced.estimate) == "80.00"


# --- A cost above the estimate ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cost", "reason", "status"),
    [
        ("412.50", "", Status.COMPLETED),
        ("412.51", REASON, Status.COMPLETED),
        ("453.75", REASON, Status.COMPLETED),
        ("453.76", REASON, Status.COST_APPROVAL),
    ],
)
def test_a_cost_needs_a_new_approval_beyond_its_share(
    cost: str, reason: str, status: Status, cast: Cast, repair: Make
) -> None:
    done = repair(Status.IN_PROGRESS)
    services.complete(done, Decimal(cost), by=cast.jane, reason=reason)
    row = Repair.objects.get(pk=done.pk)
    assert (row.status, row.final_cost, row.cost_reason) == (status, Decimal(cost), reason)
    assert row.estimate == ESTIMATE


@pytest.mark.parametrize("reason", ["", " \n", "\u200b", "x" * 501])
def test_a_cost_above_the_estimate_needs_a_reason_that_fits(
    reason: str, cast: Cast, repair: Make
) -> None:
    done = repair(Status.IN_PROGRESS)
    with pytest.raises(NotAllowed, match=r"the managers approved \$412\.50"):
        services.complete(done, Decimal("412.51"), by=cast.jane, reason=reason)
    assert Repair.objects.get(pk=done.pk).status == Status.IN_PROGRESS


def test_the_share_is_a_setting(cast: Cast, repair: Make, settings: Any) -> None:
    settings.COST_OVERRUN_SHARE = Decimal("0")
    done = repair(Status.IN_PROGRESS)
    services.complete(done, Decimal("412.51"), by=cast.jane, reason=REASON)
    assert done.status == Status.COST_APPROVAL


def test_the_history_tells_of_both_sums(cast: Cast, repair: Make) -> None:
    asked = repair(Status.COST_APPROVAL)
    both = "$520.00 instead of $412.50"
    assert history(asked)[-1] == ("cost_submitted", "jane", f"{both}: {REASON}")
    services.approve_cost(asked, by=cast.maria)
    assert history(asked)[-1] == ("cost_approved", "maria", both)


def test_a_denied_cost_leaves_the_work_to_be_completed_at_the_estimate(
    cast: Cast, repair: Make
) -> None:
    asked = repair(Status.COST_APPROVAL)
    services.deny_cost(asked, REASON, by=cast.maria)
    assert (asked.status, asked.final_cost, asked.cost_reason) == (Status.IN_PROGRESS, None, "")
    assert history(asked)[-1] == ("cost_denied", "maria", f"$520.00 instead of $412.50: {REASON}")
    services.complete(asked, ESTIMATE, by=cast.jane)
    assert asked.status == Status.COMPLETED


def test_a_higher_cost_in_a_batch_is_decided_by_itself(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    services.approve_batch(batch, by=cast.maria)
    one = batch.repairs.all()[0]
    services.start(one, by=cast.jane)
    services.complete(one, Decimal("300"), by=cast.jane, reason=REASON)
    with pytest.raises(AlreadyDone):
        services.approve_batch(batch, by=cast.luis)
    services.approve_cost(one, by=cast.luis)
    assert one.status == Status.COMPLETED


# --- Who was first ------------------------------------------------------------------------------
def test_a_second_approval_tells_who_approved_and_when(cast: Cast, repair: Make) -> None:
    approved = repair(Status.AWAITING_APPROVAL)
    stale = Repair.objects.get(pk=approved.pk)
    services.approve(approved, by=cast.luis)
    with pytest.raises(AlreadyDone) as refused:
        services.approve(stale, by=cast.maria)
    event = approved.events.get(action="approved")
    assert refused.value.event == event
    time = f"{timezone.localtime(event.at):%b} {timezone.localtime(event.at).day}"
    assert str(refused.value).startswith(
        f"{approved.number} was already approved by Luis Romero on {time}"
    )
    assert approved.events.filter(action="approved").count() == 1


def test_an_approval_after_a_denial_tells_of_the_denial(cast: Cast, repair: Make) -> None:
    with pytest.raises(AlreadyDone, match="was already denied by Maria Alvarez"):
        services.approve(repair(Status.DENIED), by=cast.luis)


def test_an_action_that_comes_too_early_is_not_called_done(cast: Cast, repair: Make) -> None:
    with pytest.raises(NotAllowed, match=r"You cannot start R-\d+: it is awaiting approval\."):
        services.start(repair(Status.AWAITING_APPROVAL), by=cast.jane)


def test_the_same_technician_again_is_already_done(cast: Cast, repair: Make) -> None:
    mine = repair(Status.APPROVED)
    services.assign(mine, cast.tom, by=cast.sam)
    with pytest.raises(AlreadyDone, match="was already reassigned by Sam Whitaker"):
        services.assign(mine, cast.tom, by=cast.sam)


def test_the_second_of_two_stale_assignments_is_told_of_the_first(
    cast: Cast, request_repair: Make
) -> None:
    repair = request_repair(by=cast.maria)
    stale = Repair.objects.get(pk=repair.pk)
    services.assign(repair, cast.jane, by=cast.sam)
    with pytest.raises(AlreadyDone, match="was already assigned by Sam Whitaker"):
        services.assign(stale, cast.tom, by=cast.sam)
    assert Repair.objects.get().technician == cast.jane


def test_the_previous_technician_cannot_start_a_reassigned_repair(cast: Cast, repair: Make) -> None:
    approved = repair(Status.APPROVED)
    stale = Repair.objects.get(pk=approved.pk)
    services.assign(approved, cast.tom, by=cast.sam)
    with pytest.raises(NotAllowed, match="Only the assigned technician may start"):
        services.start(stale, by=cast.jane)


# --- Batches ------------------------------------------------------------------------------------
def test_a_batch_is_approved_as_one(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00", "240.00")
    assert len(services.approve_batch(batch, by=cast.maria)) == 3
    assert set(batch.repairs.values_list("status", flat=True)) == {Status.APPROVED}
    assert RepairEvent.objects.filter(action="approved", actor=cast.maria).count() == 3


def test_a_repair_of_a_batch_is_not_approved_alone(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00")
    with pytest.raises(NotAllowed, match=f"belongs to {batch.number}: approve the batch"):
        services.approve(batch.repairs.all()[0], by=cast.maria)


def test_a_repair_of_a_batch_may_be_denied_alone(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00")
    denied = batch.repairs.all()[0]
    services.deny(denied, REASON, by=cast.maria)
    assert len(services.approve_batch(batch, by=cast.maria)) == 1
    assert Repair.objects.get(pk=denied.pk).status == Status.DENIED


def test_a_second_batch_approval_tells_who_was_first(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00")
    services.approve_batch(batch, by=cast.luis)
    with pytest.raises(AlreadyDone, match=f"{batch.number} was already approved by Luis Romero"):
        services.approve_batch(batch, by=cast.maria)


def test_a_batch_without_estimates_has_nothing_to_approve(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch(None, None)
    with pytest.raises(NotAllowed, match=f"No repair of {batch.number} is awaiting approval"):
        services.approve_batch(batch, by=cast.maria)


@pytest.mark.parametrize("person", ["helen", "jane", "sam"])
def test_only_a_manager_of_the_company_approves_a_batch(
    person: str, cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00")
    with pytest.raises(NotAllowed, match="Only a manager of the company may decide on B-"):
        services.approve_batch(batch, by=getattr(cast, person))
