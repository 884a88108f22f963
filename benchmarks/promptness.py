"""How soon messages leave, and how evenly: the rate limit, urgent messages, a steady stream."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .figures import Report, fullest_second, percentile, rate
from .rig import PEOPLE, Rig, wait_for_count
from .side_by_side import SLOW_S, STUCK_S

#: E-mails that wait while urgent ones come.
BACKLOG = 10_000
#: Urgent e-mails, and the seconds between two of them: under a limit, and without one.
URGENT, EVERY_S, UNLIMITED_EVERY_S = 100, 0.6, 0.08
#: Workers, and the processes of each, that share the rate limit.
WORKERS, PROCESSES = 4, 4
#: The limits at which the pace is measured, in e-mails per second.
SLOW_LIMIT, FAST_LIMIT = 14, 200
#: While processes start, a machine of two cores stalls now and then, and so does the sink.
SETTLING_S = 3.0
#: Seconds for which the pace is counted at the faster limit.
PACE_S = 30.0
#: The steady stream: e-mails per second, for so many seconds, and the rate limit.
STEADY_PER_S, STEADY_S, STEADY_LIMIT = 50, 60, 200
#: What GOV.UK Notify publishes about itself is the share within 10 seconds.
PROMPT_S = 10.0
#: Texts that wait, per second, while e-mails come, and the seconds that a provider takes.
TEXTS, TEXTS_PER_S, TEXTS_DELAY_S = 500, 10, 0.1
EMAILS, EMAILS_EVERY_S = 100, 0.25


def measure_pace_and_urgent(rig: Rig, report: Report) -> None:
    """Add how well 14 per second are held, and how long urgent e-mails take meanwhile."""
    with _backlog_at(rig, SLOW_LIMIT):
        settled = time.monotonic()
        called = _trickle(rig, BACKLOG, URGENT, EVERY_S, "URGENT")
        p50, p99 = _waits(rig, called)
        times = [at for at in rig.sinks.times() if at >= settled]
    report.add(
        urgent_s_p50=p50,
        urgent_s_p99=p99,
        pace_share=rate(times) / SLOW_LIMIT,
        pace_most=fullest_second(times),
    )


def measure_pace(rig: Rig, report: Report) -> None:
    """Add how well 200 per second are held."""
    with _backlog_at(rig, FAST_LIMIT):
        settled = time.monotonic()
        time.sleep(PACE_S)
        times = [at for at in rig.sinks.times() if at >= settled]
    report.add(pace_share_200=rate(times) / FAST_LIMIT, pace_most_200=fullest_second(times))


@contextmanager
def _backlog_at(rig: Rig, limit: int) -> Iterator[None]:
    """Have workers send a backlog at a limit; begin when they have settled."""
    rig.clean()
    rig.ours("fan_out", BACKLOG, "MEDIUM")
    with rig.working(WORKERS, PROCESSES, EMAIL_RATE_LIMIT=str(limit)):
        _wait_for(rig, 1)
        time.sleep(SETTLING_S)
        yield


def measure_urgent(rig: Rig, report: Report) -> None:
    """Add how long urgent e-mails take behind a backlog that nothing but the machine limits."""
    rig.clean()
    rig.ours("fan_out", BACKLOG, "MEDIUM")
    with rig.working():
        _wait_for(rig, 1)
        called = _trickle(rig, BACKLOG, URGENT, UNLIMITED_EVERY_S, "URGENT")
        p50, p99 = _waits(rig, called)
        left = BACKLOG + URGENT - rig.sinks.count
    report.add(urgent_s_p50_unlimited=p50, urgent_s_p99_unlimited=p99)
    report.keep(backlog_after_the_urgent=left)


def measure_steady(rig: Rig, report: Report) -> None:
    """Add which share of a steady stream is accepted within ten seconds, and the 99th percentile.

    A message that never came counts as having taken until the end.
    """
    rig.clean(SLOW_S)
    count = STEADY_PER_S * STEADY_S
    with rig.working(processes=PROCESSES, EMAIL_RATE_LIMIT=str(STEADY_LIMIT)):
        called = _trickle(rig, 0, count, 1 / STEADY_PER_S, "MEDIUM")
        wait_for_count(rig, count, 2 * PROMPT_S)
        arrived = {name: at + SLOW_S for at, name in rig.sinks.arrivals()}
        now = time.monotonic()
    waits = [arrived.get(name, now) - at for name, at in called.items()]
    report.add(
        within_10_s=sum(wait <= PROMPT_S for wait in waits) / count,
        within_10_s_p99=percentile(waits, 0.99),
    )


def measure_during_texts(rig: Rig, report: Report) -> None:
    """Add how long medium e-mails take while slow texts occupy workers."""
    rig.clean(TEXTS_DELAY_S)
    rig.ours("fan_out", TEXTS, "HIGH")
    with rig.working(processes=PROCESSES, SMS_RATE_LIMIT=str(TEXTS_PER_S)):
        _wait_for(rig, 1)
        called = _trickle(rig, 0, EMAILS, EMAILS_EVERY_S, "MEDIUM")
        p50, p99 = _waits(rig, called, TEXTS_DELAY_S)
        assert rig.sinks.count < TEXTS, "the texts were gone before the e-mails"
    report.add(during_texts_s_p50=p50, during_texts_s_p99=p99)


def _trickle(rig: Rig, first: int, count: int, every_s: float, priority: str) -> dict[str, float]:
    """Notify one person after the other; return when each call began, by the person's name."""
    assert first + count <= PEOPLE, "there are not so many people"
    answer = rig.ours("trickle", first, count, every_s, priority)
    return dict(answer["called"])


def _waits(rig: Rig, called: dict[str, float], delay_s: float = 0.0) -> tuple[float, float]:
    """Return the median and the 99th percentile from the call of notify() to the acceptance."""
    deadline = time.monotonic() + STUCK_S
    while not called.keys() <= (arrived := {who: at for at, who in rig.sinks.arrivals()}).keys():
        if time.monotonic() > deadline:
            late = called.keys() - arrived.keys()
            raise RuntimeError(f"{len(late)} have not arrived after {STUCK_S:g} s")
        time.sleep(0.1)
    waits = [arrived[who] + delay_s - at for who, at in called.items()]
    return percentile(waits, 0.5), percentile(waits, 0.99)


def _wait_for(rig: Rig, count: int) -> None:
    if not wait_for_count(rig, count, STUCK_S):
        raise RuntimeError(f"fewer than {count} arrived in {STUCK_S:g} s")
