"""The faults. Each gets a run whose producer has begun, and returns when the fault is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from chaos.kill_points import AFTER_ACCEPTANCE, KillPoint, ThreadFault

if TYPE_CHECKING:
    from chaos.run import Run

#: Seconds between two sweeps, and seconds from a wake-up to the arrival.
SWEEP_S, WAKE_UP_S = 15.0, 10.0
#: Seconds of a slow call, below EMAIL_TIMEOUT, and the calls under way that are many.
SLOW_S, MANY_CALLS = 1.0, 6
#: Ways in which an e-mail's events come. `late_s` is below the deadline of an unknown outcome.
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


def none(run: Run) -> None:
    """Wait for the load, which is the fault itself."""
    run.until_committed()


def kill_a_worker_repeatedly(run: Run) -> None:
    for _ in range(5):
        run.wait(2)
        run.kill(run.rng.choice(run.rig.workers))


def kill_all(run: Run) -> None:
    run.wait(run.seconds(5, quick=1))
    killed = [*run.rig.workers, run.rig.beat]
    run.kill(*killed, stay_down=True)
    run.wait(run.seconds(2, quick=0))
    if run.quick:
        # No worker that holds a lease is alive.
        run.age_leases()
    for each in killed:
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
    # No worker can record how its calls end.
    run.in_flight += run.most_in_doubt(len(run.rig.workers))
    run.rig.postgres.crash()
    run.rig.postgres.start()


def start_a_second_beat(run: Run) -> None:
    beat = run.rig.add_beat(f"beat{len(run.rig.services)}")
    beat.start()
    run.rig.wait_for(beat)
    run.until_committed()
    run.at_the_end(lambda: beat.kill(stay_down=True))


def refuse_both_channels(run: Run) -> None:
    run.wait(run.seconds(3, quick=1))
    # The provider also cuts the connections that are open, under way or not.
    run.in_flight += run.most_in_doubt(len(run.rig.workers))
    run.rig.sandbox.rule(answer="refuse")
    run.wait(run.seconds(20, quick=3))
    run.rig.sandbox.clear_rules()


def pause_the_account(run: Run) -> None:
    run.wait(3)
    run.rig.sandbox.rule(answer="paused")
    run.wait(20)
    run.end_rules()


def refuse_some_for_now(run: Run) -> None:
    run.rig.sandbox.rule(answer="transient", share=0.3)
    run.until_committed()
    run.end_rules()


def never_answer_some(run: Run) -> None:
    """Accept one e-mail in ten without an answer."""
    run.rig.sandbox.rule(channel="email", answer="accept_then_hang", share=0.1)
    run.until_committed()
    run.end_rules()


def disorder_events(run: Run) -> None:
    """Send the events in each disorder for a share of the e-mails, and leave some unanswered."""
    for events in DISORDER:
        run.rig.sandbox.rule(channel="email", share=0.15, events=events)
    never_answer_some(run)


def kill_at_points(run: Run) -> None:
    # At the pace of this scenario each acceptance is recorded by itself.
    points = [point for point in KillPoint if point != KillPoint.GROUP for _ in range(10)]
    run.rng.shuffle(points)
    for point in points:
        run.kill_worker_at(point)
        run.wait(run.rng.uniform(0.5, 1.5))
    run.extras["kills"] = len(points)
    run.extras["kills_after_acceptance"] = sum(point in AFTER_ACCEPTANCE for point in points)


def kill_with_calls_in_flight(run: Run) -> None:
    """Kill both workers while a slow provider keeps many calls under way."""
    from chaos import delivery_log  # needs the settings

    # The events come later than the answers, or they would end the doubt before the kill.
    late = {"timing": "late", "late_s": 3 * SLOW_S}
    run.rig.sandbox.rule(channel="email", answer="slow", after_s=SLOW_S, events=late)
    counts: list[int] = []
    known: set[UUID] = set()

    def in_doubt() -> set[UUID]:
        return delivery_log.announced() - known

    for _ in range(1 if run.quick else 4):
        run.until(lambda: len(in_doubt()) >= MANY_CALLS, "many calls are under way")
        run.kill(*run.rig.workers, stay_down=True)
        counts.append(len(in_doubt()))
        known |= in_doubt()
        if run.quick:
            # No worker that holds a lease is alive.
            run.age_leases()
        for worker in run.rig.workers:
            worker.start()
    run.rig.sandbox.clear_rules()
    most = run.most_in_doubt(len(run.rig.workers))
    run.note(
        {"in_doubt": counts, "most_in_doubt": most},
        [f"{max(counts)} calls were in doubt, {most} allowed"] if max(counts) > most else [],
    )


def kill_before_group_commit(run: Run) -> None:
    for _ in range(5):
        run.kill_worker_at(KillPoint.GROUP)
        run.wait(run.rng.uniform(0.5, 1.5))


def break_threads(run: Run) -> None:
    """Have sender threads hang or raise SystemExit, before and after the message is out."""
    for fault in ThreadFault:
        run.wait(1)
        run.break_thread(fault)
    run.until_committed()


def delete_places(run: Run) -> None:
    """Delete the places while slow calls are under way, again and again."""
    run.rig.sandbox.rule(answer="slow", after_s=SLOW_S)
    for _ in range(4 if run.quick else 15):
        run.wait(0.7)
        run.lose_places()
    run.until_committed()
    run.rig.sandbox.clear_rules()


def deploy(run: Run) -> None:
    """Start a new worker, then end an old one with SIGTERM under load, twice."""
    for old in list(run.rig.workers[:2]):
        run.wait(3)
        new = run.rig.add_worker()
        new.start()
        run.rig.wait_for(new)
        run.note_load()
        old.terminate()
        run.until(old.is_gone, "the old worker has finished its work")


def fail_over_redis(run: Run) -> None:
    beat = run.rig.beat
    # Until then beat has no connection that could stay on the old primary.
    run.until(lambda: beat.has_written(" Sending due task dispatch"), "beat has woken a worker")
    run.wait(2)
    run.rig.fail_over_redis()
    run.until_committed()


def check_wake_ups(run: Run) -> None:
    """Check that beat alone wakes workers for what is due, and this process without beat.

    This process stands for the web process: it runs the same code with the same connection pool.
    """
    _check_arrival(run, "by beat", later_s=2, within_s=SWEEP_S + WAKE_UP_S)
    run.rig.beat.kill(stay_down=True)
    _check_arrival(run, "without beat", later_s=0, within_s=WAKE_UP_S)


def _check_arrival(run: Run, how: str, *, later_s: float, within_s: float) -> None:
    committed = run.commit_more(8, later_s=later_s)
    if run.seconds_until(lambda: not run.missing(committed), later_s + within_s) is None:
        missing = len(run.missing(committed))
        run.problems.append(f"{missing} of 8 messages did not arrive {how}")


def call_late(run: Run) -> None:
    """Stop a process just before its call, until another one has sent the message."""
    message, go_on = run.stop_before_call()
    run.until_committed()
    run.until(run.is_drained, "another worker has sent the message of the stopped process")
    go_on()
    arrived = run.count_arrivals(message)
    run.note({}, [f"its message arrived {arrived} times"] if arrived != 1 else [])
