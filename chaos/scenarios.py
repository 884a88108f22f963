"""Every scenario: what it breaks, under which load, and what must hold all the same.

A fault is a function that is called once the producer has begun, and returns when the fault is
over. Nothing in here needs Django, since the settings depend on the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.verdict import Promise

if TYPE_CHECKING:
    from chaos.run import Run

EMAIL_ONLY = ("MEDIUM",)
BOTH_CHANNELS = ("URGENT", "MEDIUM")

#: Those of `make chaos-quick`, which share one rig.
QUICK_SETTINGS = {"UNKNOWN_DEADLINE_S": "8"}


@dataclass(frozen=True)
class Scenario:
    """A fault, its load and its promise.

    The load is `messages` notifications over `over_s` seconds, each of one of the `priorities` at
    random, half of them scheduled up to `later_s` seconds ahead where that is given. With
    `events` the sandbox tells of its e-mails' fates. `check` looks at the end for what the
    figures do not show.
    """

    name: str
    fault: Callable[[Run], None]
    messages: int = 600
    over_s: float = 12.0
    priorities: tuple[str, ...] = BOTH_CHANNELS
    later_s: float = 0.0
    enqueued_twice: bool = False
    events: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    #: The Celery application of the workers.
    worker_app: str = "rs_systems"
    promise: Promise = field(default_factory=Promise)
    check: Callable[[Run], None] | None = None


def kill_a_worker_again_and_again(run: Run) -> None:
    for _ in range(5):
        run.wait(2)
        run.kill(run.rng.choice(run.rig.workers))


def kill_all(run: Run) -> None:
    run.wait(5)
    victims = [*run.rig.workers, run.rig.beat]
    for each in victims:
        run.kill(each, stay_down=True)
    run.wait(2)
    for each in victims:
        each.start()


def kill_the_workers_and_age_their_leases(run: Run) -> None:
    """As `kill_all`, without waiting for the leases: their holders are certainly dead."""
    run.wait(1)
    for each in run.rig.workers:
        run.kill(each, stay_down=True)
    run.age_leases()
    for each in run.rig.workers:
        each.start()


def flush_redis(run: Run) -> None:
    for _ in range(3):
        run.wait(run.seconds(3, quick=0.7))
        run.flush_redis()


def take_redis_away(run: Run) -> None:
    run.wait(run.seconds(3, quick=1))
    run.rig.redis.kill(stay_down=True)
    run.wait(run.seconds(20, quick=3))
    run.rig.start_redis()


def crash_postgres(run: Run) -> None:
    run.wait(6)
    run.rig.postgres.crash()
    run.rig.postgres.start()


def second_beat(run: Run) -> None:
    beat = run.rig.add_beat(f"beat{len(run.rig.services)}")
    beat.start()
    run.rig.wait_for(beat)
    run.until_committed()
    run.at_the_end(lambda: beat.kill(stay_down=True))


def nothing_more(run: Run) -> None:
    """The load itself is the fault."""
    run.until_committed()


def deploy(run: Run) -> None:
    """Twice: a new worker beside the old one, which is told to end while it works."""
    for old in list(run.rig.workers[:2]):
        run.wait(3)
        new = run.rig.add_worker()
        new.start()
        run.rig.wait_for(new)
        old.terminate()
        run.until(old.is_gone, "the old worker has finished what it was doing")


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in [
        Scenario(
            "worker-killed",
            kill_a_worker_again_and_again,
            priorities=EMAIL_ONLY,
            events=True,
            promise=Promise(drained_within_s=120),
        ),
        Scenario(
            "all-killed",
            kill_all,
            priorities=EMAIL_ONLY,
            events=True,
            promise=Promise(drained_within_s=120),
        ),
        Scenario("redis-flushed", flush_redis),
        Scenario("redis-killed", take_redis_away, over_s=26),
        Scenario(
            "postgres-restarted",
            crash_postgres,
            priorities=EMAIL_ONLY,
            events=True,
            promise=Promise(drained_within_s=120),
        ),
        Scenario("enqueued-twice", nothing_more, enqueued_twice=True),
        Scenario("two-beats", second_beat, later_s=20),
        Scenario("deploy", deploy, over_s=20, promise=Promise(may_be_unknown=False)),
    ]
}
