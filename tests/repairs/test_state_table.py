"""Every action, in every status, by every role: what is done, and what is refused."""

from collections.abc import Callable
from itertools import product

import pytest

from apps.core.models import Notification
from apps.repairs import services
from apps.repairs.exceptions import RepairError
from apps.repairs.models import Profile, Repair, Status
from apps.repairs.permissions import Action, actions_for
from tests.support.repairs import ESTIMATE, FINAL_COST, REASON, Cast

PEOPLE = ["maria", "helen", "jane", "tom", "sam"]

#: For a repair of Redwood that is assigned to Jane: who may act, in which statuses, and the new
#: status. Helen manages another company.
TABLE: dict[Action, tuple[set[str], set[Status], Status | None]] = {
    Action.SUBMIT_ESTIMATE: ({"jane", "sam"}, {Status.REQUESTED}, Status.AWAITING_APPROVAL),
    Action.APPROVE: ({"maria"}, {Status.AWAITING_APPROVAL}, Status.APPROVED),
    Action.DENY: ({"maria"}, {Status.AWAITING_APPROVAL}, Status.DENIED),
    Action.START: ({"jane"}, {Status.APPROVED}, Status.IN_PROGRESS),
    Action.COMPLETE: ({"jane"}, {Status.IN_PROGRESS}, Status.COMPLETED),
    Action.APPROVE_COST: ({"maria"}, {Status.COST_APPROVAL}, Status.COMPLETED),
    Action.DENY_COST: ({"maria"}, {Status.COST_APPROVAL}, Status.IN_PROGRESS),
    Action.ASSIGN: ({"sam"}, set(Status) - {Status.DENIED, Status.COMPLETED}, None),
}
CASES = list(product(TABLE, Status, PEOPLE))


def _do(action: Action, repair: Repair, by: Profile, cast: Cast) -> None:
    match action:
        case Action.SUBMIT_ESTIMATE:
            services.submit_estimate(repair, ESTIMATE, by=by)
        case Action.APPROVE:
            services.approve(repair, by=by)
        case Action.DENY:
            services.deny(repair, REASON, by=by)
        case Action.START:
            services.start(repair, by=by)
        case Action.COMPLETE:
            services.complete(repair, FINAL_COST, by=by)
        case Action.APPROVE_COST:
            services.approve_cost(repair, by=by)
        case Action.DENY_COST:
            services.deny_cost(repair, REASON, by=by)
        case Action.ASSIGN:
            services.assign(repair, cast.tom, by=by)


def _everything(repair: Repair) -> tuple[object, ...]:
    row = Repair.objects.values().get(pk=repair.pk)
    return row, repair.events.count(), Notification.objects.count()


@pytest.mark.parametrize(("action", "status", "person"), CASES)
def test_an_action_is_done_exactly_when_the_table_allows_it(
    action: Action,
    status: Status,
    person: str,
    cast: Cast,
    repair: Callable[[Status], Repair],
) -> None:
    people, statuses, leads_to = TABLE[action]
    made, by = repair(status), getattr(cast, person)
    before = _everything(made)
    if person in people and status in statuses:
        _do(action, made, by, cast)
        assert Repair.objects.get(pk=made.pk).status == (leads_to or status)
    else:
        with pytest.raises(RepairError):
            _do(action, made, by, cast)
        assert _everything(made) == before


@pytest.mark.parametrize(("status", "person"), list(product(Status, PEOPLE)))
def test_the_pages_offer_what_the_services_do(
    status: Status, person: str, cast: Cast, repair: Callable[[Status], Repair]
) -> None:
    offered = actions_for(repair(status), getattr(cast, person))
    assert set(offered) == {
        action
        for action, (people, statuses, _) in TABLE.items()
        if person in people and status in statuses
    }


def test_a_repair_of_a_batch_offers_to_decide_on_the_batch(
    cast: Cast, request_batch: Callable[..., object]
) -> None:
    request_batch("65.00")
    offered = actions_for(Repair.objects.get(), cast.maria)
    assert offered == [Action.APPROVE_BATCH, Action.DENY, Action.DENY_BATCH]
