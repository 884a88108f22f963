"""Two people act at the same moment, each with their own database connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from apps.repairs import requesting, services
from apps.repairs.exceptions import AlreadyDone, AlreadyRequested, NotAllowed
from apps.repairs.models import Damage, Position, Repair, RepairBatch, RepairEvent, Status
from apps.repairs.undo import undo
from tests.support.repairs import ESTIMATE, REASON, Cast, told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run all at the same moment; return each result or AlreadyDone."""
    barrier = Barrier(len(acts), timeout=60)

    def run(act: Callable[[], object]) -> object:
        try:
            connection.ensure_connection()
            barrier.wait()
            return act()
        except AlreadyDone as notice:
            return notice
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def overlapping(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Run `second` while the transaction of `first` is still open."""
    first_is_done, second_is_done = Event(), Event()

    def hold_open() -> None:
        with transaction.atomic():
            first()
            first_is_done.set()
            # Long enough for `second` to finish if it did not wait for this transaction.
            second_is_done.wait(timeout=0.5)

    def follow() -> None:
        first_is_done.wait(timeout=60)
        second()
        second_is_done.set()

    at_once(hold_open, follow)


def fresh(repair: Repair) -> Repair:
    return Repair.objects.get(pk=repair.pk)


def test_two_managers_who_approve_at_once_approve_once(
    cast: Cast, repair: Callable[[Status], Repair]
) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    outcomes = at_once(
        *(lambda by=by: services.approve(fresh(asked), by=by) for by in (cast.maria, cast.luis))
    )
    [notice] = [outcome for outcome in outcomes if isinstance(outcome, AlreadyDone)]
    assert notice.event == asked.events.get(action="approved")
    assert told("repair_approved") == [("jane", "repair_approved")]


def test_an_approval_and_a_denial_at_once_leave_one_of_them(
    cast: Cast, repair: Callable[[Status], Repair]
) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    outcomes = at_once(
        lambda: services.approve(fresh(asked), by=cast.maria),
        lambda: services.deny(fresh(asked), REASON, by=cast.luis),
    )
    [notice] = [outcome for outcome in outcomes if isinstance(outcome, AlreadyDone)]
    assert notice.event == asked.events.get(action__in=["approved", "denied"])
    assert fresh(asked).status == notice.event.action
    assert len(told("repair_approved") + told("repair_denied")) == 1


def test_an_undo_and_a_start_at_once_leave_one_of_them(
    cast: Cast, repair: Callable[[Status], Repair]
) -> None:
    asked = repair(Status.AWAITING_APPROVAL)
    event = services.approve(asked, by=cast.maria)

    def unless_refused(act: Callable[[], object]) -> object:
        try:
            return act()
        except NotAllowed as refusal:
            return refusal

    outcomes = at_once(
        lambda: unless_refused(lambda: undo(event, by=cast.maria)),
        lambda: unless_refused(lambda: services.start(fresh(asked), by=cast.jane)),
    )
    undone, started = (not isinstance(outcome, NotAllowed) for outcome in outcomes)
    assert undone is not started
    assert fresh(asked).status == (Status.AWAITING_APPROVAL if undone else Status.IN_PROGRESS)
    assert bool(told("repair_in_progress")) is started


def test_two_undos_at_once_undo_once(cast: Cast, repair: Callable[[Status], Repair]) -> None:
    event = services.approve(repair(Status.AWAITING_APPROVAL), by=cast.maria)

    def take_back() -> object:
        try:
            return undo(event, by=cast.maria)
        except NotAllowed as refusal:
            return str(refusal)

    outcomes = at_once(take_back, take_back)
    assert sum("was undone by" in str(outcome) for outcome in outcomes) == 1
    assert event.repair.events.filter(action="undone").count() == 1


def test_a_batch_approved_by_two_at_once_is_notified_once(
    cast: Cast, request_batch: Callable[..., RepairBatch]
) -> None:
    batch = request_batch("65.00", "95.00")
    outcomes = at_once(
        *(lambda by=by: services.approve_batch(batch, by=by) for by in (cast.maria, cast.luis))
    )
    assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["AlreadyDone", "list"]
    assert told("batch_approved") == [("jane", "batch_approved")]


def test_two_last_breaks_priced_at_once_notify_the_managers_once(
    cast: Cast, request_batch: Callable[..., RepairBatch]
) -> None:
    first, second = request_batch(None, None).repairs.order_by("pk")
    overlapping(
        lambda: services.submit_estimate(first, ESTIMATE, by=cast.jane),
        lambda: services.submit_estimate(second, ESTIMATE, by=cast.sam),
    )
    assert told() == [
        ("luis", "repair_pending_approval"),
        ("maria", "repair_pending_approval"),
    ]


def test_a_batch_approved_during_reassignment_notifies_the_new_technician(
    cast: Cast, request_batch: Callable[..., RepairBatch]
) -> None:
    batch = request_batch("65.00")
    overlapping(
        lambda: services.assign(batch.repairs.get(), cast.tom, by=cast.sam),
        lambda: services.approve_batch(batch, by=cast.maria),
    )
    assert told("batch_approved") == [("tom", "batch_approved")]


def test_a_request_sent_twice_at_once_is_made_once(cast: Cast) -> None:
    token = uuid4()

    def request() -> object:
        try:
            return requesting.request_repair(
                by=cast.jane,
                unit=cast.unit,
                damage=Damage.CHIP,
                position=Position.CENTER,
                token=token,
            )
        except AlreadyRequested as notice:
            return notice.made

    first, second = at_once(request, request)
    assert first == second == Repair.objects.get()


def test_requests_at_once_stay_within_the_limit_of_texts(cast: Cast, settings: Any) -> None:
    settings.SMS_LIMIT_PER_PERSON_H = 4

    def request() -> object:
        return requesting.request_repair(
            by=cast.jane,
            unit=cast.unit,
            damage=Damage.CHIP,
            position=Position.CENTER,
            estimate=ESTIMATE,
        )

    at_once(*[request] * 4)
    assert sum(RepairEvent.objects.values_list("texts", flat=True)) == 4
