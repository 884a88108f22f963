"""One scenario on a running rig, from the first commit to the result."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO
from typing import Any

import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.core import conf
from apps.core.delivery import broker
from apps.core.delivery.places import POOLS
from apps.core.models import Delivery
from apps.core.states import DeliveryState, Priority
from chaos import alarms, arrivals, delivery_log, limits
from chaos.arrivals import Arrivals, Key
from chaos.kill_points import CLAIM, HAS_CLAIMED, STOP, STOPPED, KillPoint, ThreadFault
from chaos.producer import PlannedNotification, Producer, plan_notifications
from chaos.rig import PROCESSES, Rig
from chaos.scenario import Scenario
from chaos.service import Service
from chaos.verdict import MOST_SHOWN, Figures, Result, judge

LOOK_EVERY_S = 0.25
#: Seconds beyond the promise for which a scenario is watched, to know how late it was.
GRACE_S = 90.0
#: The system is quiet after so many seconds without an arrival or a waiting wake-up.
QUIET_S = 2.0
#: Seconds after which any other wait fails.
PATIENCE_S = 90.0
#: Seconds that a late process is given to make its call.
LATE_CALL_S = 3.0
#: The sandbox's rules that accept a message and never answer.
UNANSWERED = ("accept_then_hang", "accept_then_drop")
QUICK_MESSAGES, QUICK_OVER_S = 60, 2.0


class Run:
    """Runs one scenario; its fault gets this object, with the rig, random choices and waits."""

    def __init__(
        self, rig: Rig, scenario: Scenario, people: list[User], seed: int, *, quick: bool
    ) -> None:
        self.rig = rig
        self.quick = quick
        self.rng = random.Random(f"{scenario.name} {seed}")
        priorities = tuple(Priority[name] for name in scenario.priorities)
        self._most_per_process = limits.most_in_doubt(
            channel for each in priorities for channel in arrivals.CHANNELS[each]
        )
        #: Calls that may have been in doubt when faults struck.
        self.in_flight = 0
        #: Calls that the sandbox accepted and never answered.
        self.unanswered = 0
        self.extras: dict[str, Any] = {}
        self.problems: list[str] = []
        self.planned = plan_notifications(
            people,
            self.rng,
            count=QUICK_MESSAGES if quick else scenario.messages,
            over_s=QUICK_OVER_S if quick else scenario.over_s,
            priorities=priorities,
            later_s=self.seconds(scenario.later_s, quick=scenario.later_s / 10),
        )
        self.producer = Producer(self.planned, wake_twice=scenario.wake_twice)
        self._scenario = scenario
        self._seed = seed
        self._arrivals = Arrivals(rig.sandbox)
        self._afterwards = ExitStack()

    def __call__(self) -> Result:
        """Run the scenario and return what was counted."""
        with self._afterwards:
            self.say(f"{len(self.planned)} notifications")
            self.producer.start()
            try:
                self._scenario.fault(self)
            finally:
                self.producer.join()
            # The fault may have ended it.
            connection.close()
            self.say(f"the fault is over, {delivery_log.count_unfinished()} deliveries unfinished")
            drain_s = self._drain()
            self._wait_until_quiet()
            self._wait_for_hanging_calls()
            return self._result(drain_s)

    def say(self, text: str) -> None:
        print(f"{self._scenario.name}: {text}", file=sys.stderr, flush=True)

    def seconds(self, full: float, *, quick: float) -> float:
        return quick if self.quick else full

    def wait(self, seconds: float) -> None:
        """Let the load go on for so long."""
        time.sleep(seconds)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for the condition; raise AssertionError if it does not come true."""
        if self.seconds_until(condition, seconds) is None:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")

    def until_committed(self) -> None:
        """Wait until the producer has committed everything."""
        self.producer.join()

    def note_load(self) -> None:
        """Note how many deliveries are unfinished, to show that the fault struck under load."""
        self.extras.setdefault("unfinished", []).append(delivery_log.count_unfinished())

    def note(self, figures: dict[str, Any], problems: list[str]) -> None:
        """Add these figures and problems to the result."""
        self.extras |= figures
        self.problems += problems

    def at_the_end(self, action: Callable[[], None]) -> None:
        """Call the action when the run is over."""
        self._afterwards.callback(action)

    def most_in_doubt(self, workers: int = 1) -> int:
        """Return how many calls a fault leaves in doubt at most if it strikes so many workers."""
        return workers * PROCESSES * self._most_per_process

    def kill(self, *services: Service, stay_down: bool = False) -> None:
        """SIGKILL services at once; count what workers may leave in doubt."""
        self.in_flight += self.most_in_doubt(sum(each in self.rig.workers for each in services))
        for service in services:
            service.kill(stay_down=stay_down)

    def kill_worker_at(self, point: KillPoint) -> None:
        """Wait until a worker has died at this point of an attempt."""
        self._request(point)
        self.in_flight += self.most_in_doubt()

    def break_thread(self, fault: ThreadFault) -> None:
        """Wait until a sender thread has begun to hang, or has raised SystemExit."""
        self._request(fault)
        self.in_flight += 1

    def _request(self, name: str) -> None:
        request = self.rig.request_folder / name
        request.touch()
        self.until(lambda: not request.exists(), f"a worker takes the request {name}")

    def claimed_batch(self) -> tuple[Service, list[str]]:
        """Wait until a worker has claimed several deliveries; return it and their ids."""
        folder = self.rig.request_folder
        (folder / CLAIM).touch()
        self.until(lambda: any(folder.glob(f"{HAS_CLAIMED}*")), "a worker claims a batch")
        [told] = folder.glob(f"{HAS_CLAIMED}*")
        worker = int(told.name.split()[1])
        [service] = [each for each in self.rig.workers if each.is_process(worker)]
        return service, told.read_text().split()

    def lose_places(self) -> None:
        """Delete the places of all pools."""
        redis.Redis(port=self.rig.redis_port).delete(*(key for pool in POOLS for key in pool.keys))

    def stop_before_call(self) -> tuple[Key, Callable[[], None]]:
        """Wait until a worker has stopped just before a call.

        Return which message it would send, and what lets it go on.
        """
        folder = self.rig.request_folder
        (folder / STOP).touch()
        self.until(lambda: any(folder.glob(f"{STOPPED}*")), "a worker stops before a call")
        self.in_flight += self.most_in_doubt()
        [stopped] = folder.glob(f"{STOPPED}*")
        process, worker = map(int, stopped.name.split()[1:])
        delivery = Delivery.objects.select_related("notification").get(pk=stopped.read_text())

        def go_on() -> None:
            os.kill(process, signal.SIGCONT)
            # The worker would kill a process that is over its time limit.
            self.wait(LATE_CALL_S)
            os.kill(worker, signal.SIGCONT)

        return (delivery.notification.dedup_key, delivery.channel), go_on

    def count_arrivals(self, message: Key) -> int:
        return self._arrivals.read()[message]

    def end_rules(self) -> None:
        """End the sandbox's faults, and count the calls that got no answer as in flight."""
        rules = self.rig.sandbox.rules()
        self.extras["faults"] = sum(rule["used"] for rule in rules if rule["answer"])
        self.unanswered = sum(rule["used"] for rule in rules if rule["answer"] in UNANSWERED)
        self.in_flight += self.unanswered
        self.rig.sandbox.clear_rules()

    def flush_redis(self) -> None:
        redis.Redis(port=self.rig.redis_port).flushall()

    def age_leases(self) -> None:
        """Expire all leases now. Only for when no worker lives that holds one."""
        held = Delivery.objects.filter(state=DeliveryState.SENDING)
        held.update(lease_until=F("lease_until") - conf.lease())

    def is_drained(self) -> bool:
        """Return whether all that was committed has arrived, and no delivery is unfinished."""
        if delivery_log.count_unfinished():
            return False
        return not self.missing(self.producer.committed)

    def seconds_until(self, condition: Callable[[], bool], seconds: float) -> float | None:
        """Return the seconds until the condition held, or None if it took too long."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > seconds:
                return None
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - begun

    def commit_more(self, count: int, *, later_s: float = 0.0) -> list[PlannedNotification]:
        """Commit more notifications, scheduled so many seconds ahead; return them."""
        more = plan_notifications(
            [each.person for each in self.planned],
            self.rng,
            count=count,
            over_s=0,
            priorities=(Priority.MEDIUM,),
            later_s=0,
        )
        more = [replace(each, later_s=later_s) for each in more]
        producer = Producer(more)
        producer.start()
        producer.join()
        return more

    def missing(self, notifications: list[PlannedNotification]) -> set[Key]:
        """Return those of these messages that have not arrived."""
        return arrivals.missing(notifications, self._arrivals.read())

    def _drain(self) -> float | None:
        """Return the seconds until the system was drained, or None if it never was."""

        def is_drained() -> bool:
            if self.quick:
                self._hurry()
            return self.is_drained()

        took = self.seconds_until(is_drained, self._scenario.promise.drained_within_s + GRACE_S)
        return None if took is None else round(took, 1)

    def _hurry(self) -> None:
        """Age back-offs in the database, instead of waiting for them."""
        waiting = Delivery.objects.filter(state=DeliveryState.DUE, failures__gt=0)
        waiting.filter(next_attempt_at__gt=Now()).update(next_attempt_at=Now())

    def _wait_until_quiet(self) -> None:
        """Wait until no wake-up or event is left, since one could still cause a duplicate."""
        quiet_since, arrived = time.monotonic(), -1

        def is_quiet() -> bool:
            nonlocal quiet_since, arrived
            arrived_now = self._arrivals.read().total()
            events = self.rig.sandbox.health()["events"]
            if arrived_now != arrived or any(broker.waiting().values()) or events["waiting"]:
                quiet_since, arrived = time.monotonic(), arrived_now
            return time.monotonic() - quiet_since > self.seconds(QUIET_S, quick=1)

        if self.seconds_until(is_quiet, PATIENCE_S) is None:
            self.problems.append("wake-ups or events were still waiting at the end")

    def _wait_for_hanging_calls(self) -> None:
        """Wait until each worker whose call has no answer has said so.

        The provider's event may settle a delivery while its worker still waits for the answer.
        """
        self.seconds_until(lambda: self._count_unknown() >= self.unanswered, PATIENCE_S)

    def _count_unknown(self) -> int:
        doubts = delivery_log.read_doubts(self.producer.committed)
        return sum(doubt.was_unknown for doubt in doubts.values())

    def _result(self, drain_s: float | None) -> Result:
        committed = self.producer.committed
        counts = self._arrivals.read()
        lost = arrivals.missing(committed, counts)
        duplicates = arrivals.duplicates(committed, counts)
        doubts = delivery_log.read_doubts(committed)
        unexplained = delivery_log.unexplained(duplicates, doubts)
        for what, keys in (("lost", lost), ("arrived twice, unexplained", unexplained)):
            if keys:
                self.say(f"{what}: {sorted(keys)[:MOST_SHOWN]}")
        accepted = len(arrivals.expected(committed))
        figures = Figures(
            accepted=accepted,
            delivered=accepted - len(lost),
            duplicates=sum(duplicates.values()),
            unknown=self._count_unknown(),
            drain_s=drain_s,
            unexplained=len(unexplained),
            in_flight=self.in_flight,
            unanswered=self.unanswered,
            unexpected=len(arrivals.unexpected(committed, counts)),
            events_refused=arrivals.count_refused_events(self.rig.sandbox),
        )
        # A quick run is a test, and a busy machine must not fail it.
        self.problems += judge(self._scenario.promise, figures, timed=not self.quick)
        self.problems += _ledger_problems()
        if self._scenario.check:
            self._scenario.check(self)
        if self._scenario.alarms and not self.quick:
            alarms.check(self, self._scenario.alarms)
        return Result(self._scenario.name, self._seed, figures, self.problems, self.extras)


def _ledger_problems() -> list[str]:
    """Return a problem if `manage.py ledger` finds discrepancies."""
    printed = StringIO()
    try:
        call_command("ledger", json=True, stdout=printed)
    except SystemExit:
        found = json.loads(printed.getvalue())["discrepancies"]
        rows = "; ".join(f"{each['row']} {each['problem']}" for each in found[:MOST_SHOWN])
        return [f"the ledger has {len(found)} discrepancies: {rows}"]
    return []
