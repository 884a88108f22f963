"""What one message costs: statements, trips to Redis, and calls of notify() for many people."""

import statistics
import time

from .figures import Report
from .message import WARM_UP
from .rig import Rig
from .side_by_side import OURS, STUCK_S, Sizes, drain
from .trips import counted_trips

#: Messages over which what one of them costs is counted.
MESSAGES = 200
#: Deliveries of the batch whose statements are counted.
BATCH = 32
#: Rounds of composing; the fastest counts.
ROUNDS = 9
#: Seconds for which the trips of idle workers are counted.
IDLE_S = 5.0
#: Deliveries whose trips are counted, and people who are notified by one call.
BACKLOG, PEOPLE = 1_000, 10_000


def measure_statements(rig: Rig, report: Report) -> None:
    """Add the statements of one notify() and, in a batch, of one delivery.

    The server counts them, so those of every thread are seen. A batch is sent in one process, by
    the task that workers run.
    """
    rig.clean()
    one = rig.statements(lambda: rig.ours("create", 1, "MEDIUM"))
    many = rig.statements(lambda: rig.ours("create", 1 + MESSAGES, "MEDIUM"))
    report.add(create_sql=(many - one) / MESSAGES)
    rig.clean()
    turns = []
    nothing = rig.statements(lambda: rig.ours("drain"))
    rig.ours("fan_out", BATCH, "MEDIUM")
    batch = rig.statements(lambda: turns.append(rig.ours("drain")["turns"]))
    report.add(delivery_sql=(batch - nothing - turns[0]) / BATCH)


def measure_composing(rig: Rig, report: Report) -> None:
    """Add the time of composing an e-mail, and its ratio in words that the office published."""
    rig.clean()
    found = rig.ours("compose", ROUNDS)
    report.add(compose_ms=found["file"], compose_ratio=found["published"] / found["file"])


def measure_trips(rig: Rig, report: Report) -> None:
    """Add the trips to Redis of one notify(), and of one delivery of a backlog.

    The workers' are those of two processes, less what they make while there is nothing to do.
    """
    rig.clean()
    with counted_trips(rig.redis_port) as counter:
        rig.ours("create", 1, "MEDIUM", CELERY_BROKER_URL=counter.url)
        one, counter.trips = counter.trips, 0
        rig.ours("create", 1 + MESSAGES, "MEDIUM", CELERY_BROKER_URL=counter.url)
        report.add(redis_trips=(counter.trips - one) / MESSAGES)
    rig.clean()
    with (
        counted_trips(rig.redis_port) as counter,
        rig.working(CELERY_BROKER_URL=counter.url),
    ):
        counter.trips = 0
        time.sleep(IDLE_S)
        idle_per_s, counter.trips = counter.trips / IDLE_S, 0
        began = time.monotonic()
        rig.ours("fan_out", BACKLOG, "MEDIUM")
        drain(rig, Sizes(1, BACKLOG, STUCK_S), OURS)
        trips = counter.trips - idle_per_s * (time.monotonic() - began)
        report.add(redis_trips_drained=trips / rig.sinks.count)
        report.keep(idle_trips_per_s=idle_per_s)


def measure_fan_out(rig: Rig, report: Report) -> None:
    """Add what one notify() to many people takes."""
    rig.clean()
    create = statistics.median(rig.ours("create", 1 + MESSAGES, "MEDIUM")["seconds"])
    rig.clean()
    seconds = rig.ours("fan_out", WARM_UP + PEOPLE, "MEDIUM")["seconds"]
    report.add(fanout_s=seconds, fanout_share=seconds / (PEOPLE * create))
    rig.clean()
    few = rig.statements(lambda: rig.ours("fan_out", WARM_UP, "MEDIUM"))
    many = rig.statements(lambda: rig.ours("fan_out", WARM_UP + PEOPLE, "MEDIUM"))
    report.add(fanout_sql=many - few)
    rig.clean()
    with counted_trips(rig.redis_port) as counter:
        rig.ours("fan_out", WARM_UP, "MEDIUM", CELERY_BROKER_URL=counter.url)
        few, counter.trips = counter.trips, 0
        rig.ours("fan_out", WARM_UP + PEOPLE, "MEDIUM", CELERY_BROKER_URL=counter.url)
        report.add(fanout_trips=counter.trips - few)
