"""The harness itself: what it counts, what it lets pass, and that its processes come back.

The scenarios are run by `make chaos` and, in little, by `make chaos-quick`, which `make test` ends
with.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.delivery import transitions
from apps.core.exceptions import AmbiguousError
from apps.core.models import Delivery
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from chaos import books, producer
from chaos.producer import Order
from chaos.scenarios import QUICK, SCENARIOS
from chaos.service import Service, tended
from chaos.verdict import Figures, Promise, judge

from .support.services import wait_until

KEPT = {"accepted": 500, "delivered": 500, "duplicates": 0, "unknown": 0, "drain_s": 12.0}


def order(mark: str, priority: Priority = Priority.URGENT) -> Order:
    return Order(mark, User(username=mark), priority, at_s=0, held=False)


def figures(**changed: Any) -> Figures:
    return Figures(**(KEPT | changed))


def test_a_promise_that_was_kept_leaves_no_problem() -> None:
    assert judge(Promise(), figures()) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"accepted": 0, "delivered": 0}, "nothing was accepted, so nothing was tried"),
        ({"delivered": 499}, "1 lost"),
        ({"uncalled_for": 2}, "2 arrived that were never accepted"),
        ({"events_refused": 3}, "3 events refused by the webhook"),
        ({"duplicates": 1, "in_flight": 4}, "1 duplicates, where 0 may occur"),
        ({"unanswered": 1}, "1 calls never answered, and 0 known to be unknown"),
        ({"drain_s": 60.1}, "not drained within 60 s of the fault's end"),
        ({"drain_s": None}, "not drained within 60 s of the fault's end"),
    ],
)
def test_a_promise_that_was_broken_is_named(changed: dict[str, Any], problem: str) -> None:
    assert judge(Promise(), figures(**changed)) == [problem]


def test_in_little_a_late_drain_is_none_the_worse_but_it_must_come() -> None:
    assert judge(Promise(), figures(drain_s=60.1), timed=False) == []
    assert judge(Promise(), figures(drain_s=None), timed=False) != []


def test_duplicates_that_may_occur_are_no_more_than_were_in_flight_and_each_explained() -> None:
    promise = Promise(may_duplicate=True)
    assert judge(promise, figures(duplicates=4, in_flight=4)) == []
    assert judge(promise, figures(duplicates=5, in_flight=4)) == ["5 duplicates, where 4 may occur"]
    assert judge(promise, figures(duplicates=4, in_flight=4, unexplained=1)) == [
        "1 arrived twice without having been unknown and resent"
    ]


def test_an_unknown_outcome_is_a_problem_where_none_may_be() -> None:
    assert judge(Promise(), figures(unknown=1)) == []
    assert judge(Promise(may_be_unknown=False), figures(unknown=1)) == [
        "1 of unknown outcome, where none may be"
    ]


def test_an_urgent_message_must_arrive_over_both_channels_and_a_high_one_over_either() -> None:
    orders = [order("C-000001"), order("C-000002", Priority.HIGH), order("C-000003", Priority.HIGH)]
    arrived = Counter({("C-000001", "email"): 1, ("C-000002", "sms"): 1, ("C-000003", "email"): 1})
    assert books.missing(orders, arrived) == {("C-000001", "sms")}


def test_what_arrived_too_often_is_counted_by_mark_and_channel() -> None:
    arrived = Counter({("C-000001", "email"): 3, ("C-000001", "sms"): 1, ("C-000009", "email"): 2})
    assert books.duplicates([order("C-000001")], arrived) == {("C-000001", "email"): 2}


def test_what_nobody_asked_for_is_found() -> None:
    orders = [order("C-000001", Priority.MEDIUM), order("C-000002", Priority.HIGH)]
    arrived = Counter({("C-000001", "email"): 1, ("C-000001", "sms"): 1, ("C-000002", "email"): 1})
    assert books.never_accepted(orders, arrived) == {("C-000001", "sms")}


def test_arrivals_are_read_once_each_by_the_mark_that_they_show() -> None:
    mails = [
        {"seq": 1, "kind": "email", "subject": "Approved: C-000001, Redwood unit 417"},
        {"seq": 2, "kind": "sms", "body": "RS Systems: C-000001 is approved."},
        {"seq": 3, "kind": "email", "subject": "Something else"},
    ]
    sandbox: Any = SimpleNamespace(
        messages=lambda since: [mail for mail in mails if mail["seq"] > since]
    )
    arrivals = books.Arrivals(sandbox)
    arrivals.read()
    assert arrivals.read() == {("C-000001", "email"): 1, ("C-000001", "sms"): 1}


def test_an_event_that_was_known_already_is_not_refused() -> None:
    told = [{"status": status} for status in (200, 409, 403, None)]
    sandbox: Any = SimpleNamespace(messages=lambda kind: [{"events": told}])
    assert books.events_refused(sandbox) == 2


@pytest.fixture
def sending() -> tuple[Order, Delivery]:
    """An order whose delivery a worker has, and has called the provider with."""
    [person] = producer.make_people(1)
    made = Order("C-000001", person, Priority.MEDIUM, at_s=0, held=False)
    sample = producer.context(made.mark)
    NotificationService().notify(
        producer.KIND, person, sample, priority=made.priority, dedup_key=made.mark
    )
    delivery = Delivery.objects.get()
    Delivery.objects.move(DeliveryState.SENDING, attempts=1)
    delivery.refresh_from_db()
    transitions.record(delivery, LogEvent.CALLING)
    return made, delivery


@pytest.mark.django_db
def test_a_duplicate_is_explained_by_as_many_resends_of_an_unknown_outcome(
    sending: tuple[Order, Delivery],
) -> None:
    made, delivery = sending
    key = (made.mark, Channel.EMAIL.value)
    assert books.unexplained({key: 1}, books.stories([made])) == [key]
    transitions.record_outcome(delivery, AmbiguousError("no answer"))
    assert books.stories([made])[key].unknown
    assert books.unexplained({key: 1}, books.stories([made])) == [key]
    transitions.settle_unknown(delivery)
    assert books.unexplained({key: 1}, books.stories([made])) == []
    assert books.unexplained({key: 2}, books.stories([made])) == [key]


@pytest.mark.django_db
def test_a_lease_that_ran_out_before_the_call_leaves_nothing_unknown(
    sending: tuple[Order, Delivery],
) -> None:
    made, delivery = sending
    delivery.attempts = 2
    transitions.record(delivery, LogEvent.LOST_BEFORE_CALL)
    assert not books.stories([made])[made.mark, Channel.EMAIL.value].unknown


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Service]:
    program = "import subprocess; print('up', flush=True); subprocess.run(['sleep', '600'])"
    command = [sys.executable, "-c", program]
    service = Service("sleeper", command, dict(os.environ), tmp_path, ready_words="up")
    with tended([service]):
        service.start()
        wait_until(service.is_ready, "it is up")
        yield service


@pytest.mark.services
def test_a_service_that_was_killed_comes_back(sleeper: Service) -> None:
    sleeper.kill()
    assert not sleeper.is_ready()
    wait_until(sleeper.is_ready, "it is up again")
    assert sleeper.deaths == 1


@pytest.mark.services
def test_a_service_that_is_to_stay_down_does(sleeper: Service) -> None:
    sleeper.kill(stay_down=True)
    sleeper.tend()
    assert sleeper.is_gone()
    sleeper.start()
    wait_until(sleeper.is_ready, "it is up again")


@pytest.mark.services
def test_a_service_that_was_terminated_is_not_started_again(sleeper: Service) -> None:
    sleeper.terminate()
    wait_until(sleeper.is_gone, "it has ended")
    sleeper.tend()
    assert sleeper.is_gone()


def test_the_quick_ones_can_share_a_rig() -> None:
    quick = [SCENARIOS[name] for name in QUICK]
    assert [scenario.settings for scenario in quick] == [{}] * len(quick)
    assert {scenario.worker_app for scenario in quick} == {"rs_systems"}
