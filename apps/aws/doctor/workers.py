"""Checks of the workers, beat, the queue and overdue deliveries."""

import time
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from apps.aws.account import Account
from apps.core.audit import heartbeat
from apps.core.audit import metrics as published
from apps.core.audit.findings import Finding, fail, ok, warn
from apps.core.delivery import broker
from apps.core.guards import circuit_breaker
from apps.core.models import ChannelStop, Delivery
from apps.core.redaction import redact
from apps.core.states import DeliveryState

from . import redis_server

#: The specification's: "queue depth > 1000".
MANY_WAIT = 1000
#: The sweep runs every 15 s, and a busy worker may be late once or twice.
OLDEST_SWEEP = timedelta(seconds=60)
#: They are published each minute.
OLDEST_METRICS = timedelta(minutes=3)
#: How long a delivery may be due before a warning.
OVERDUE = timedelta(minutes=5)
#: Seconds of difference from which to warn, and from which AWS's signatures and our leases fail.
SKEW_WARNING_S, SKEW_FAILURE_S = 2.0, 60.0

_CLOCK_OF = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
}


def online(account: Account) -> Finding:
    """Check that a worker answers."""
    count = broker.workers_online()
    if not count:
        return fail("no worker answers", "Start one: `celery -A rs_systems worker`.")
    return ok(f"{count} {'worker answers' if count == 1 else 'workers answer'}")


def beat(account: Account) -> Finding:
    """Check that the sweep runs: beat sends it, and a worker runs it."""
    age = heartbeat.age()
    do = "Start beat, one of it: `celery -A rs_systems beat`; it takes a worker too."
    if age is None:
        return fail("the sweep has not run within a day", do)
    found = f"the sweep ran {age.total_seconds():.0f} s ago"
    return ok(found) if age <= OLDEST_SWEEP else fail(found, do)


def metrics(account: Account) -> Finding:
    """Check that our metrics reach CloudWatch: its alarms ring if they stop."""
    if not settings.CLOUDWATCH_METRICS:
        found = "CLOUDWATCH_METRICS is false: nothing is published"
        if settings.ENVIRONMENT == "development":
            return ok(f"{found} (development)")
        return warn(found, "Set it, or deploy the stack with ApplicationAlarms=false.")
    age = published.last_published()
    do = (
        "See workers.beat; if that is well, the log of the workers says why CloudWatch took none "
        "(it needs cloudwatch:PutMetricData)."
    )
    if age is None:
        found = "CloudWatch has not taken our metrics yet"
        development = settings.ENVIRONMENT == "development"
        return ok(f"{found} (development)") if development else warn(found, do)
    found = f"CloudWatch last took our metrics {age.total_seconds():,.0f} s ago"
    return ok(found) if age <= OLDEST_METRICS else warn(found, do)


def queue(account: Account) -> Finding:
    """Check that few tasks wait."""
    waiting = sum(broker.waiting().values())
    if waiting > MANY_WAIT:
        return warn(f"{waiting:,} tasks wait", "Start more workers, or see workers.online.")
    return ok(f"{waiting:,} tasks wait")


def overdue(account: Account) -> Finding:
    """Check that no delivery has been due for long."""
    late = Delivery.objects.filter(
        state__in=[DeliveryState.DUE, DeliveryState.RETRYING], next_attempt_at__lt=Now() - OVERDUE
    )
    if count := circuit_breaker.running(late).count():
        return warn(
            f"{count:,} deliveries have been due for more than 5 minutes",
            "See workers.online, workers.beat and workers.queue.",
        )
    return ok("no delivery has been due for long")


def channels(account: Account) -> Finding:
    """Check that no channel is stopped."""
    stops = list(ChannelStop.objects.order_by("channel", "cause"))
    if not stops:
        return ok("every channel runs")
    said = "; ".join(
        f"{stop.get_channel_display()} is stopped, {stop.get_cause_display()}: "
        f"{redact(stop.reason).rstrip('.')}"
        for stop in stops
    )
    return fail(said, "Fix the cause; then resume it or try it now, in the cockpit.")


def clocks(account: Account) -> Finding:
    """Check that the clocks of this host, Redis and the database agree."""
    skews = dict(_skews())
    name, worst = max(skews.items(), key=lambda skew: abs(skew[1]))
    found = f"{name} and this host are {abs(worst):.1f} s apart"
    do = "Have chrony or systemd-timesyncd keep the time."
    if abs(worst) > SKEW_FAILURE_S:
        return fail(found, do)
    return warn(found, do) if abs(worst) > SKEW_WARNING_S else ok(found)


def _skews() -> Iterator[tuple[str, float]]:
    """Yield the seconds by which each is ahead of this host."""
    seconds, microseconds = redis_server.client().time()
    yield "Redis", seconds + microseconds / 1_000_000 - time.time()
    if statement := _CLOCK_OF.get(connection.vendor):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            yield "the database", float(cursor.fetchone()[0]) - time.time()
