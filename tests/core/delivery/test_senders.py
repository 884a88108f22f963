"""The threads that call a provider: no database, no Redis, and no more of them than configured."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from apps.core.delivery import senders
from apps.core.delivery.attempt import Attempt, Lease
from apps.core.delivery.senders import Call, Missed, Senders
from apps.core.exceptions import AmbiguousError, NotCalled, TransientError
from apps.core.guards import rate_limit
from apps.core.guards.rate_limit import Slot
from apps.core.models import Delivery
from apps.core.providers.base import Acceptance
from apps.core.states import Channel


class Provider:
    name = "scripted"

    def encode(self, message: Any) -> Any:
        return message

    def send(self, encoded: Callable[[], object]) -> Acceptance:
        encoded()
        return Acceptance(self.name, "id")


@pytest.fixture(autouse=True)
def patient_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rate slots last longer: a busy machine may start a thread late."""
    monkeypatch.setattr(rate_limit, "LATE_S", 60.0)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends what hangs in these tests."""
    event = threading.Event()
    yield event
    event.set()


def call(
    does: Callable[[], object] = lambda: None, *, slot: Slot | None = None, lease_s: float = 60
) -> Call:
    lease = Lease(Lease().ends + lease_s)
    row = Delivery(id=uuid4(), channel=Channel.EMAIL)
    attempt = Attempt(row, lease, None, is_announced=True)
    made = Call(attempt, Provider(), does, 1)
    made.slot = slot or Slot(time.monotonic())
    return made


def results(of: Senders, count: int) -> dict[Call, senders.Result]:
    found: dict[Call, senders.Result] = {}
    while len(found) < count:
        got = of.results(60)
        assert got, "no answer in a minute"
        found.update(got)
    return found


def test_each_call_has_its_own_result() -> None:
    def refuse() -> None:
        raise TransientError("busy")

    def bug() -> None:
        raise KeyError("bug")

    accepted, refused, broken = calls = [call(), call(refuse), call(bug)]
    pool = Senders(2)
    for each in calls:
        pool.submit(each)
    found = results(pool, 3)
    assert found[accepted] == Acceptance("scripted", "id")
    assert isinstance(found[refused], TransientError)
    assert isinstance(found[broken], KeyError)
    assert not pool.open


def test_a_thread_calls_at_its_slot_s_time_and_not_before() -> None:
    began: list[float] = []
    made = call(lambda: began.append(time.monotonic()), slot=Slot(time.monotonic() + 0.2))
    pool = Senders(1)
    pool.submit(made)
    results(pool, 1)
    assert began[0] >= made.slot.at


def test_a_thread_that_is_too_late_for_its_slot_does_not_call() -> None:
    called: list[bool] = []
    made = call(lambda: called.append(True), slot=Slot(time.monotonic() - 3600))
    pool = Senders(1)
    pool.submit(made)
    assert isinstance(results(pool, 1)[made], Missed)
    assert called == []


def test_a_thread_whose_lease_is_over_does_not_call() -> None:
    called: list[bool] = []
    made = call(lambda: called.append(True), lease_s=-3600)
    pool = Senders(1)
    pool.submit(made)
    result = results(pool, 1)[made]
    assert isinstance(result, NotCalled)
    assert result.is_announced
    assert called == []


def test_there_are_no_more_threads_than_connections_or_calls() -> None:
    threads: set[str] = set()

    def note() -> None:
        threads.add(threading.current_thread().name)

    pool = Senders(3)
    for _ in range(20):
        pool.submit(call(note))
    results(pool, 20)
    assert len(threads) <= 3
    idle = Senders(5)
    idle.submit(call())
    results(idle, 1)
    assert idle._started == 1


def test_there_is_room_for_what_the_threads_begin_in_a_moment(released: threading.Event) -> None:
    pool = Senders(2)
    # A call of a tenth of a second leaves no time for a second one.
    pool._call_s = 0.1
    assert pool.room == 2
    for _ in range(2):
        pool.submit(call(released.wait))
    assert pool.room <= 0
    pool._call_s = 0.0001
    assert 0 < pool.room <= senders.GROUP


def test_no_result_in_time_is_none() -> None:
    assert Senders(1).results(0.0) == []


def test_a_call_that_hangs_is_ambiguous_and_its_thread_is_replaced(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "CALL_S", 0.05)
    pool = Senders(1)
    hanging = call(released.wait)
    pool.submit(hanging)
    found: list[tuple[Call, senders.Result]] = []
    while not found:
        found = pool.results(0.01)
    [(which, result)] = found
    assert which is hanging
    assert isinstance(result, AmbiguousError)
    assert not pool.open
    following = call()
    pool.submit(following)
    assert results(pool, 1)[following] == Acceptance("scripted", "id")
    # The late answer is a result as well, and the hanging thread ends.
    released.set()
    assert results(pool, 1)[hanging] == Acceptance("scripted", "id")


def test_a_forked_process_starts_its_own_senders() -> None:
    before = senders.of(Channel.EMAIL)
    child = os.fork()
    if child == 0:
        os._exit(0 if senders.of(Channel.EMAIL) is not before else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert senders.of(Channel.EMAIL) is before
