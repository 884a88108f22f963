"""Every scenario: what it breaks, under which load, and what must hold all the same.

A fault is a function that is called once the producer has begun, and returns when the fault is
over. Nothing in here needs Django, since the settings depend on the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chaos.points import TAKEN, Point
from chaos.verdict import Promise

if TYPE_CHECKING:
    from chaos.run import Run

#: Ways of telling what became of an e-mail; the lateness is below the deadline of an unknown one.
DISORDER: tuple[dict[str, Any], ...] = (
    {"timing": "early"},
    {"timing": "early", "copies": 3},
    {"timing": "late", "late_s": 8, "reversed": True},
    {"copies": 3, "reversed": True},
    {"outcome": "delay", "copies": 2, "reversed": True},
    {"outcome": "bounce", "copies": 2, "reversed": True},
    {"outcome": "reject", "timing": "early", "copies": 2},
    {"outcome": "complaint", "timing": "early", "reversed": True},
    {"outcome": "complaint", "timing": "late", "late_s": 8, "copies": 3, "reversed": True},
)

EMAIL_ONLY = ("MEDIUM",)
BOTH_CHANNELS = ("URGENT", "MEDIUM")

#: What the rig of `make chaos-quick` has in place of a scenario's own settings.
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
    run.wait(run.seconds(5, quick=1))
    victims = [*run.rig.workers, run.rig.beat]
    for each in victims:
        run.kill(each, stay_down=True)
    run.wait(run.seconds(2, quick=0))
    if run.quick:
        # Their holders are certainly dead.
        run.age_leases()
    for each in victims:
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


def start_a_second_beat(run: Run) -> None:
    beat = run.rig.add_beat(f"beat{len(run.rig.services)}")
    beat.start()
    run.rig.wait_for(beat)
    run.until_committed()
    run.at_the_end(lambda: beat.kill(stay_down=True))


def nothing_more(run: Run) -> None:
    """The load itself is the fault."""
    run.until_committed()


def refuse_both_channels(run: Run) -> None:
    run.wait(run.seconds(3, quick=1))
    run.rig.sandbox.rule(answer="refuse")
    run.wait(run.seconds(20, quick=3))
    run.rig.sandbox.clear_rules()


def pause_the_account(run: Run) -> None:
    run.wait(3)
    run.rig.sandbox.rule(answer="paused")
    run.wait(20)
    run.end_rules()


def fail_for_now(run: Run) -> None:
    run.rig.sandbox.rule(answer="transient", share=0.3)
    run.until_committed()
    run.end_rules()


def never_answer_some(run: Run) -> None:
    """One e-mail in ten is taken, and its sender never hears of it."""
    run.rig.sandbox.rule(channel="email", answer="accept_then_hang", share=0.1)
    run.until_committed()
    run.end_rules()


def disorder_the_events(run: Run) -> None:
    """Each share of the e-mails has its events in a way of its own; some calls time out too."""
    for telling in DISORDER:
        run.rig.sandbox.rule(channel="email", share=0.15, events=telling)
    never_answer_some(run)


def kill_at_points(run: Run) -> None:
    orders = [point for point in Point for _ in range(10)]
    run.rng.shuffle(orders)
    for point in orders:
        run.order_a_death_at(point)
        run.wait(run.rng.uniform(0.5, 1.5))
    run.extras["kills"] = len(orders)
    run.extras["kills_after_acceptance"] = sum(point in TAKEN for point in orders)


def deploy(run: Run) -> None:
    """Twice: a new worker beside the old one, which is told to end while it works."""
    for old in list(run.rig.workers[:2]):
        run.wait(3)
        new = run.rig.add_worker()
        new.start()
        run.rig.wait_for(new)
        run.note_load()
        old.terminate()
        run.until(old.is_gone, "the old worker has finished what it was doing")


def check_the_ends(run: Run) -> None:
    from chaos import fates  # which needs the settings

    run.note(*fates.fates(run.rig.sandbox, run.orders))


def check_the_money(run: Run) -> None:
    from chaos import money  # which needs the settings

    run.note(*money.spend(run.rig.sandbox))
    run.note(*money.race())


KILLED_AT_POINTS = Scenario(
    "killed-at-points",
    kill_at_points,
    messages=600,
    over_s=60,
    priorities=EMAIL_ONLY,
    events=True,
    # So slow that messages are on their way for as long as workers are killed.
    settings={"EMAIL_RATE_LIMIT": "10"},
    worker_app="chaos.worker",
    promise=Promise(drained_within_s=120),
)
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
        Scenario("provider-down", refuse_both_channels, over_s=26),
        Scenario(
            "account-paused",
            pause_the_account,
            over_s=26,
            # A stopped channel is tried after 15 s, and 30 s after that, by sweeps 15 s apart.
            promise=Promise(drained_within_s=120),
        ),
        Scenario("transient-errors", fail_for_now),
        Scenario("timeouts-with-events", never_answer_some, priorities=EMAIL_ONLY, events=True),
        Scenario(
            "timeouts-without-events",
            never_answer_some,
            priorities=EMAIL_ONLY,
            promise=Promise(may_duplicate=True),
        ),
        Scenario("enqueued-twice", nothing_more, enqueued_twice=True),
        Scenario("two-beats", start_a_second_beat, later_s=20),
        KILLED_AT_POINTS,
        replace(
            KILLED_AT_POINTS,
            name="killed-at-points-without-events",
            events=False,
            promise=Promise(drained_within_s=120, may_duplicate=True),
        ),
        Scenario(
            "events-disordered",
            disorder_the_events,
            # With so many bounces and complaints only what is urgent goes on, and none by text.
            priorities=("HIGH",),
            settings={"SMS_ENABLED": "false"},
            events=True,
            check=check_the_ends,
        ),
        Scenario(
            "budget-reached",
            nothing_more,
            priorities=("HIGH",),
            settings={"SMS_MONTHLY_SPEND_LIMIT_USD": "1.50", "SMS_URGENT_RESERVE": "0"},
            check=check_the_money,
        ),
        Scenario("deploy", deploy, over_s=30, promise=Promise(may_be_unknown=False)),
    ]
}

#: Those of `make chaos-quick`, which share one rig.
QUICK = (
    "redis-flushed",
    "redis-killed",
    "provider-down",
    "timeouts-with-events",
    "enqueued-twice",
    "two-beats",
    "all-killed",
)
