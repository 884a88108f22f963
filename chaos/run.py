"""One scenario on a running rig, from the first commit to the verdict."""

import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import StringIO
from typing import Any

import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import conf
from apps.core.delivery import broker, sweeps
from apps.core.models import Delivery
from apps.core.states import DeliveryState, Priority
from chaos import books
from chaos.points import Point
from chaos.producer import Producer, make_orders
from chaos.rig import PROCESSES, Rig
from chaos.scenarios import Scenario
from chaos.service import Service
from chaos.verdict import SHOWN, Figures, Result, judge

LOOK_EVERY_S = 0.25
#: Seconds beyond the promise for which a scenario is watched: how late it was is worth knowing.
GRACE_S = 90.0
#: Seconds without an arrival and with nothing waiting in the broker, after which it is quiet.
QUIET_S = 2.0
#: Seconds for anything else that a scenario waits for.
PATIENCE_S = 90.0
#: The sandbox's answers that are none.
UNANSWERED = ("accept_then_hang", "accept_then_drop")
QUICK_MESSAGES, QUICK_OVER_S = 60, 2.0


class Run:
    """What a fault may use: the rig, a chance of its own, the time, and where to note things."""

    def __init__(
        self, rig: Rig, scenario: Scenario, people: list[User], seed: int, *, quick: bool
    ) -> None:
        self.rig = rig
        self.quick = quick
        self.rng = random.Random(f"{scenario.name} {seed}")
        #: Calls that may have been in flight when a fault struck.
        self.in_flight = 0
        #: Calls whose message was taken and that were never answered.
        self.unanswered = 0
        self.extras: dict[str, Any] = {}
        self.problems: list[str] = []
        self.orders = make_orders(
            people,
            self.rng,
            number=QUICK_MESSAGES if quick else scenario.messages,
            over_s=QUICK_OVER_S if quick else scenario.over_s,
            priorities=tuple(Priority[name] for name in scenario.priorities),
            later_s=self.seconds(scenario.later_s, quick=scenario.later_s / 10),
        )
        self.producer = Producer(self.orders, twice=scenario.enqueued_twice)
        self._scenario = scenario
        self._seed = seed
        self._arrivals = books.Arrivals(rig.sandbox)
        self._afterwards = ExitStack()
        self._fault_over = timezone.now()

    def __call__(self) -> Result:
        """Let it happen, and count."""
        with self._afterwards:
            self.say(f"{len(self.orders)} notifications")
            self.producer.start()
            try:
                self._scenario.fault(self)
            finally:
                self.producer.join()
            # It may have died meanwhile.
            connection.close()
            self._fault_over = timezone.now()
            self.say(f"the fault is over, {books.unfinished()} deliveries are under way")
            drain_s = self._drain()
            self._wait_until_quiet()
            return self._result(drain_s)

    def say(self, text: str) -> None:
        print(f"{self._scenario.name}: {text}", file=sys.stderr, flush=True)

    def seconds(self, full: float, *, quick: float) -> float:
        return quick if self.quick else full

    def wait(self, seconds: float) -> None:
        """Let the load go on for so long."""
        time.sleep(seconds)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for the condition; raises AssertionError where it does not come true."""
        if self._when(condition, PATIENCE_S) is None:
            raise AssertionError(f"waited {PATIENCE_S:g} s in vain: {what}")

    def note_load(self) -> None:
        """Note how many deliveries are under way, for a fault that is one under load only."""
        self.extras.setdefault("under_way", []).append(books.unfinished())

    def until_committed(self) -> None:
        """Wait until the producer has committed its last."""
        self.producer.join()

    def at_the_end(self, action: Callable[[], None]) -> None:
        """Have it done when the run is over."""
        self._afterwards.callback(action)

    def kill(self, service: Service, *, stay_down: bool = False) -> None:
        """SIGKILL; a worker's calls were in flight."""
        if service in self.rig.workers:
            self.in_flight += PROCESSES
        service.kill(stay_down=stay_down)

    def order_a_death_at(self, point: Point) -> None:
        """Wait until a worker has died at this point of an attempt."""
        order = self.rig.kills / point
        order.touch()
        self.until(lambda: not order.exists(), f"a worker dies at the point {point}")
        self.in_flight += PROCESSES

    def end_rules(self) -> None:
        """End the sandbox's faults; of the calls that were never answered each was in flight."""
        rules = self.rig.sandbox.rules()
        self.extras["faults"] = sum(rule["used"] for rule in rules if rule["answer"])
        self.unanswered = sum(rule["used"] for rule in rules if rule["answer"] in UNANSWERED)
        self.in_flight += self.unanswered
        self.rig.sandbox.clear_rules()

    def flush_redis(self) -> None:
        redis.Redis(port=self.rig.redis_port).flushall()

    def note(self, figures: dict[str, Any], problems: list[str]) -> None:
        """Have these figures, and what is wrong with them, in the result."""
        self.extras |= figures
        self.problems += problems

    def age_leases(self) -> None:
        """As if a lease's time had passed. Only for when no worker lives that holds one."""
        held = Delivery.objects.filter(state=DeliveryState.SENDING)
        held.update(lease_until=F("lease_until") - conf.lease())

    def _drain(self) -> float | None:
        """Seconds until everything has arrived and is done; None where that did not happen."""
        took = self._when(self._is_drained, self._scenario.promise.drained_within_s + GRACE_S)
        return None if took is None else round(took, 1)

    def _is_drained(self) -> bool:
        if self.quick:
            self._hurry()
        committed = self.producer.committed
        return not (books.unfinished() or books.missing(committed, self._arrivals.read()))

    def _hurry(self) -> None:
        """Let the time pass that a lost wake-up and a back-off are given."""
        waiting = Delivery.objects.filter(state=DeliveryState.DUE)
        # Once each: what the sweep has woken a worker for since then is none of those.
        woken = waiting.filter(enqueued_at__lt=self._fault_over)
        woken.update(enqueued_at=Now() - sweeps.BUSY_PATIENCE)
        waiting.filter(failures__gt=0, next_attempt_at__gt=Now()).update(next_attempt_at=Now())

    def _wait_until_quiet(self) -> None:
        """Until the wake-ups that are left have been worked off, and every event was told.

        One of them may still have a message sent twice.
        """
        quiet_since, arrived = time.monotonic(), -1

        def is_quiet() -> bool:
            nonlocal quiet_since, arrived
            now_arrived = self._arrivals.read().total()
            events = self.rig.sandbox.health()["events"]
            if now_arrived != arrived or any(broker.waiting().values()) or events["waiting"]:
                quiet_since, arrived = time.monotonic(), now_arrived
            return time.monotonic() - quiet_since > self.seconds(QUIET_S, quick=1)

        if self._when(is_quiet, PATIENCE_S) is None:
            self.problems.append("the broker, or the provider's events, did not come to rest")

    def _result(self, drain_s: float | None) -> Result:
        orders = self.producer.committed
        times = self._arrivals.read()
        lost = books.missing(orders, times)
        twice = books.duplicates(orders, times)
        known = books.stories(orders)
        unexplained = books.unexplained(twice, known)
        for what, keys in (("lost", lost), ("arrived twice, unexplained", unexplained)):
            if keys:
                self.say(f"{what}: {sorted(keys)[:SHOWN]}")
        accepted = len(books.expected(orders))
        figures = Figures(
            accepted=accepted,
            delivered=accepted - len(lost),
            duplicates=sum(twice.values()),
            unknown=sum(story.unknown for story in known.values()),
            drain_s=drain_s,
            unexplained=len(unexplained),
            in_flight=self.in_flight,
            unanswered=self.unanswered,
            uncalled_for=len(books.never_accepted(orders, times)),
            events_refused=books.events_refused(self.rig.sandbox),
        )
        # In little it is a test, which a busy machine must not fail.
        self.problems += judge(self._scenario.promise, figures, timed=not self.quick)
        self.problems += self._ledger()
        if self._scenario.check:
            self._scenario.check(self)
        return Result(self._scenario.name, self._seed, figures, self.problems, self.extras)

    def _ledger(self) -> list[str]:
        """What `manage.py ledger` finds wrong."""
        printed = StringIO()
        try:
            call_command("ledger", json=True, stdout=printed)
        except SystemExit:
            found = json.loads(printed.getvalue())["discrepancies"]
            rows = "; ".join(f"{each['row']} {each['problem']}" for each in found[:SHOWN])
            return [f"the ledger does not balance, {len(found)} rows: {rows}"]
        return []

    def _when(self, condition: Callable[[], bool], seconds: float) -> float | None:
        """Seconds until the condition held; None where it did not within so many."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > seconds:
                return None
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - begun
