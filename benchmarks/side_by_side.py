"""Ours and the others, in turns, on the same database server, Redis and sink."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import others_venv
from .figures import Report, rate
from .rig import Rig, wait_for_count

#: Seconds that a slow provider takes for each message.
SLOW_S = 0.05
#: Seconds after which a contestant that does nothing counts as stuck.
STUCK_S = 90.0
#: Processes of each contestant, beside the one that manages them.
PROCESSES = 2
#: Messages with which each process of the cheapest clients tries the sinks.
HAMMERED = 5_000


class Sizes(NamedTuple):
    """How much to measure."""

    rounds: int
    messages: int
    #: Seconds after which a slow contestant's rate so far is taken.
    patience_s: float


class Queue(NamedTuple):
    """Where a contestant keeps its messages, and how it says that all of them are sent."""

    database: str
    all_sent: str


OURS = Queue(
    "rs_systems",
    "SELECT NOT EXISTS (SELECT FROM core_delivery WHERE state IN ('due', 'sending'))",
)
POST_OFFICE = Queue(
    "others", "SELECT NOT EXISTS (SELECT FROM post_office_email WHERE status IS DISTINCT FROM 0)"
)
PLAIN = Queue("others", "SELECT NOT EXISTS (SELECT FROM others_message WHERE status <> 'sent')")


class Created(NamedTuple):
    """How long a contestant took to take messages, one by one, in seconds."""

    began: float
    median: float
    total: float


class Drained(NamedTuple):
    """How a contestant worked off its messages, in seconds and messages per second."""

    rate: float
    seconds: float
    #: By the machine's monotonic clock.
    ended: float
    #: Messages that arrived more than once.
    doubled: int


def measure(rig: Rig, report: Report, sizes: Sizes) -> None:
    """Add the ratios to django-post_office, to a plain task and to the bare loop."""
    for _ in range(sizes.rounds):
        created, drained = _ours(rig, sizes)
        their_created, their_drained = _post_office(rig, sizes)
        plain = _plain(rig, sizes)
        loop = _loop(rig, sizes)
        whole = _ours_at_once(rig, sizes)
        # It has the better of two ways: small batches, while it still creates, cost it more.
        in_two_steps = their_created.total + their_drained.seconds
        their_whole = min(_post_office_at_once(rig, sizes), in_two_steps)
        report.add(
            create_ratio=created.median / their_created.median,
            drain_ratio=drained.rate / their_drained.rate,
            end_to_end_ratio=their_whole / whole,
            plain_ratio=drained.rate / plain,
            limit_ratio=drained.rate / loop,
        )
        report.keep(
            create_ms=created.median * 1000,
            post_office_create_ms=their_created.median * 1000,
            drained_per_s=drained.rate,
            post_office_drained_per_s=their_drained.rate,
            plain_per_s=plain,
            loop_per_s=loop,
            end_to_end_s=whole,
            post_office_end_to_end_s=their_whole,
            doubled=drained.doubled,
        )


def measure_slow(rig: Rig, report: Report, sizes: Sizes) -> None:
    """Add the ratio of the rates at a provider that takes 50 ms for each message."""
    for _ in range(sizes.rounds):
        rig.clean(SLOW_S)
        rig.ours("fan_out", sizes.messages, "MEDIUM")
        with rig.working(processes=PROCESSES):
            drained = drain(rig, sizes, OURS)
        rig.clean(SLOW_S)
        rig.others("create", sizes.messages)
        with _delivering(rig):
            theirs = drain(rig, sizes, POST_OFFICE)
        report.add(drain_ratio_50ms=drained.rate / theirs.rate)
        report.keep(drained_50ms_per_s=drained.rate, post_office_drained_50ms_per_s=theirs.rate)


def measure_texts(rig: Rig, report: Report, sizes: Sizes) -> None:
    """Add the ratio of the rate of texts to that of a bare loop of boto3's publish."""
    for _ in range(sizes.rounds):
        rig.clean()
        rig.ours("fan_out", sizes.messages, "HIGH")
        with rig.working(processes=PROCESSES):
            drained = drain(rig, sizes, OURS)
        rig.clean()
        command = [sys.executable, "-m", "benchmarks.bare_publish"]
        rig.at_once(_halves(command, sizes.messages), rig.environment)
        loop = rate(rig.sinks.times())
        report.add(sms_limit_ratio=drained.rate / loop)
        report.keep(texts_per_s=drained.rate, publish_loop_per_s=loop)


def measure_sinks(rig: Rig, report: Report) -> None:
    """Keep how many messages per second the sinks take from the cheapest clients."""
    ports = {"smtp": rig.smtp_port, "sns": rig.sns_port}
    for protocol, port in ports.items():
        rig.clean()
        hammer = [sys.executable, "-m", "benchmarks.sink", "hammer", protocol, str(port)]
        rig.at_once([[*hammer, str(HAMMERED)]] * PROCESSES, rig.environment)
        report.keep(**{f"sinks_{protocol}_per_s": rate(rig.sinks.times())})


def drain(rig: Rig, sizes: Sizes, queue: Queue) -> Drained:
    """Wait until all is sent and recorded, or the patience is over, from the first arrival on."""
    if not wait_for_count(rig, 1, STUCK_S):
        raise RuntimeError(f"nothing arrived in {STUCK_S:g} s")
    first = rig.sinks.times()[0]
    if wait_for_count(rig, sizes.messages, first + sizes.patience_s - time.monotonic()):
        _wait_until_recorded(rig, queue)
        seconds = time.monotonic() - first
    else:
        arrived = sum(at <= first + sizes.patience_s for at in rig.sinks.times())
        seconds = sizes.messages * sizes.patience_s / arrived
    names = [name for _, name in rig.sinks.arrivals()]
    doubled = len(names) - len(set(names))
    return Drained(sizes.messages / seconds, seconds, first + seconds, doubled)


def _wait_until_recorded(rig: Rig, queue: Queue) -> None:
    deadline = time.monotonic() + STUCK_S
    while not rig.ask(queue.all_sent, queue.database):
        if time.monotonic() > deadline:
            raise RuntimeError(f"all have arrived, and after {STUCK_S:g} s not all are recorded")
        time.sleep(0.01)


def _ours(rig: Rig, sizes: Sizes) -> tuple[Created, Drained]:
    rig.clean()
    created = _created(rig.ours("create", sizes.messages, "MEDIUM"))
    with rig.working(processes=PROCESSES):
        return created, drain(rig, sizes, OURS)


def _ours_at_once(rig: Rig, sizes: Sizes) -> float:
    rig.clean()
    with rig.working(processes=PROCESSES):
        began = _created(rig.ours("create", sizes.messages, "MEDIUM")).began
        return drain(rig, sizes, OURS).ended - began


def _post_office(rig: Rig, sizes: Sizes) -> tuple[Created, Drained]:
    rig.clean()
    created = _created(rig.others("create", sizes.messages))
    with _delivering(rig):
        return created, drain(rig, sizes, POST_OFFICE)


def _post_office_at_once(rig: Rig, sizes: Sizes) -> float:
    rig.clean()
    with _delivering(rig):
        began = _created(rig.others("create", sizes.messages)).began
        return drain(rig, sizes, POST_OFFICE).ended - began


@contextmanager
def _delivering(rig: Rig) -> Iterator[None]:
    command = rig.others_command("deliver", PROCESSES, rig.folder / "post_office")
    with rig.running("post_office", command, rig.others_environment, "ready"):
        yield


def _plain(rig: Rig, sizes: Sizes) -> float:
    rig.clean()
    rig.others("publish", sizes.messages)
    celery = [str(others_venv.BIN / "celery"), "-A", "benchmarks.others.celery"]
    worker = [*celery, "worker", "--loglevel=info", f"--concurrency={PROCESSES}"]
    with rig.running("plain", worker, rig.others_environment, " ready."):
        return drain(rig, sizes, PLAIN).rate


def _loop(rig: Rig, sizes: Sizes) -> float:
    rig.clean()
    commands = _halves(rig.others_command("loop"), sizes.messages)
    rig.at_once(commands, rig.others_environment)
    return rate(rig.sinks.times())


def _created(answer: dict[str, Any]) -> Created:
    seconds = answer["seconds"]
    return Created(answer["began"], statistics.median(seconds), sum(seconds))


def _halves(command: list[str], messages: int) -> list[list[str]]:
    """Return the command for each process, with its first message and how many it sends."""
    share = messages // PROCESSES
    return [[*command, str(number * share), str(share)] for number in range(PROCESSES)]
