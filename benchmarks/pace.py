"""Measure whether the rate limit holds over four workers, and how soon urgent e-mails go out.

A second measurement: how fast e-mails go out behind a backlog of text messages. Everything is
counted at the sandbox, by the time at which it accepted each message.
"""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tools.environment import PORTS, build_environment
from tools.postgres import PostgreSQL
from tools.processes import die_with_parent, wait_until
from tools.stack import Stack, running_stack
from tools.supervisor import ROOT

#: E-mails per second, over all workers.
RATE = 14.0
BACKLOG = 10_000
URGENT, URGENT_EVERY_S = 40, 1.5
MORE_WORKERS = 3
TEXTS, TEXTS_PER_S = 500, 10.0
#: E-mails that are committed during the texts.
EMAILS, EMAILS_EVERY_S = 40, 0.25
#: Seconds that each provider takes to answer while both channels are busy.
LATENCY_S = 0.1
PAGE = 1000

_IMPORTS = """
import time
from django.contrib.auth.models import User
from apps.core.message import kinds
from apps.core.models import Contact
from apps.core.services.notification import NotificationService
from apps.core.states import Priority
context = kinds.get("repair_approved").sample.model_dump()
"""

_EMAIL_BACKLOG = (
    _IMPORTS
    + """
people = User.objects.bulk_create([User(username=f"bulk{n}") for n in range(%d)])
Contact.objects.bulk_create([
    Contact(user=u, email=f"{u.username}@bulk.example", verified_email=f"{u.username}@bulk.example")
    for u in people
])
NotificationService().notify("repair_approved", people, context, priority=Priority.MEDIUM)
"""
)

_TEXT_BACKLOG = (
    _IMPORTS
    + """
people = User.objects.bulk_create([User(username=f"texted{n}") for n in range(%d)])
Contact.objects.bulk_create([
    Contact(user=u, phone=f"+1202555{n:04d}", verified_phone=f"+1202555{n:04d}", sms_opt_in=True)
    for n, u in enumerate(people)
])
NotificationService().notify("repair_approved", people, context, priority=Priority.HIGH)
"""
)

#: Prints the delivery and the commit time of each e-mail to one more person.
_EMAILS = (
    _IMPORTS
    + """
user = User.objects.create(username="measured")
Contact.objects.create(user=user, email="measured@x.example", verified_email="measured@x.example")
for _ in range(%(count)d):
    NotificationService().notify("repair_approved", user, context, priority=Priority.%(priority)s)
    time.sleep(%(every_s)f)
for row in user.notifications.all():
    delivery = row.deliveries.get(channel="email")
    print(delivery.pk, row.created_at.isoformat())
"""
)


def measure() -> dict[str, Any]:
    """Return the rate against the limit, the fullest second, and how long urgent e-mails took."""
    with ExitStack() as running:
        stack = running.enter_context(_stack(EMAIL_RATE_LIMIT=str(RATE), SMS_ENABLED="false"))
        for number in range(MORE_WORKERS):
            running.enter_context(_worker(stack, number))
        _run(stack, _EMAIL_BACKLOG % BACKLOG)
        wait_until(lambda: _ask(stack, "health")["emails"], "the backlog is being worked off", 60)
        committed = _commit_emails(stack, "URGENT", URGENT, URGENT_EVERY_S)
        wait_until(lambda: _have_arrived(stack, committed), "all urgent e-mails arrived", 60)
        return _report(_arrivals(stack), committed)


def measure_during_texts() -> dict[str, Any]:
    """Return how long medium e-mails take during a backlog of high texts."""
    slow = {"SMS_RATE_LIMIT": str(TEXTS_PER_S), "SANDBOX_LATENCY": str(LATENCY_S)}
    with _stack(**slow) as stack:
        _run(stack, _TEXT_BACKLOG % TEXTS)
        wait_until(lambda: _ask(stack, "health")["sms"], "the texts are being worked off", 60)
        committed = _commit_emails(stack, "MEDIUM", EMAILS, EMAILS_EVERY_S)
        wait_until(lambda: _have_arrived(stack, committed), "all e-mails arrived", 120)
        assert _ask(stack, "health")["sms"] < TEXTS, "the texts were gone before the e-mails"
        wait_until(lambda: _ask(stack, "health")["sms"] == TEXTS, "all texts arrived", 120)
        texts = _ask(stack, f"messages?kind=sms&limit={TEXTS}")["messages"]
        times = sorted(datetime.fromisoformat(each["received_at"]).timestamp() for each in texts)
        waits = _waits(_arrivals(stack), committed)
    return {
        "name": "during texts",
        "texts": TEXTS,
        "texts_share_of_limit": round((TEXTS - 1) / (times[-1] - times[0]) / TEXTS_PER_S, 3),
        "emails": len(waits),
        "email_commit_to_acceptance_median_s": round(statistics.median(waits), 3),
        "email_commit_to_acceptance_slowest_s": round(waits[-1], 3),
    }


def _waits(arrivals: dict[str, datetime], committed: dict[str, datetime]) -> list[float]:
    """Return the seconds from each commit to the acceptance, shortest first."""
    return sorted((arrivals[pk] - at).total_seconds() for pk, at in committed.items())


def _report(arrivals: dict[str, datetime], urgent: dict[str, datetime]) -> dict[str, Any]:
    every = sorted(at.timestamp() for at in arrivals.values())
    # While processes start, a machine of two cores stalls for a tenth of a second now and then,
    # and so does the sandbox. Those seconds say nothing about the limiter.
    settled = min(urgent.values()).timestamp()
    times = [at for at in every if at >= settled]
    waits = _waits(arrivals, urgent)
    rate = (len(times) - 1) / (times[-1] - times[0])
    return {
        "name": "pace",
        "workers": MORE_WORKERS + 1,
        "limit_per_s": RATE,
        "messages": len(times),
        "share_of_limit": round(rate / RATE, 3),
        "most_in_one_second": max(_counts_per_second(times)),
        "most_in_one_second_while_starting": max(_counts_per_second(every)),
        "urgent_messages": len(waits),
        "urgent_commit_to_acceptance_median_s": round(statistics.median(waits), 3),
        "urgent_commit_to_acceptance_slowest_s": round(waits[-1], 3),
    }


def _counts_per_second(times: list[float]) -> Iterator[int]:
    """Yield, for each arrival, how many arrived in the second that it begins."""
    end = 0
    for start, time in enumerate(times):
        while end < len(times) and times[end] < time + 1:
            end += 1
        yield end - start


def _arrivals(stack: Stack) -> dict[str, datetime]:
    """Return when the sandbox accepted the e-mail of each delivery."""
    found: dict[str, datetime] = {}
    since = 0
    while True:
        page = _ask(stack, f"messages?kind=email&limit={PAGE}&since={since}")
        for message in page["messages"]:
            found[message["tags"]["delivery"]] = datetime.fromisoformat(message["received_at"])
        if len(page["messages"]) < PAGE:
            return found
        since = page["last_seq"]


def _have_arrived(stack: Stack, committed: dict[str, datetime]) -> bool:
    # Reading the whole backlog again and again would slow what is measured.
    page = _ask(stack, f"messages?kind=email&limit={PAGE}&to=measured@x.example")
    return committed.keys() <= {message["tags"]["delivery"] for message in page["messages"]}


def _ask(stack: Stack, path: str) -> dict[str, Any]:
    with urlopen(f"{stack.sandbox_url}/api/{path}") as answer:  # noqa: S310  our own address
        return dict(json.load(answer))


def _commit_emails(stack: Stack, priority: str, count: int, every_s: float) -> dict[str, datetime]:
    """Commit e-mails to one person; return the commit time of each delivery."""
    values = {"priority": priority, "count": count, "every_s": every_s}
    lines = [line.split() for line in _run(stack, _EMAILS % values).splitlines()]
    return {line[0]: datetime.fromisoformat(line[1]) for line in lines if len(line) == 2}


def _run(stack: Stack, code: str) -> str:
    return stack.manage("shell", "--no-imports", "--command", code)


@contextmanager
def _stack(**variables: str) -> Iterator[Stack]:
    """Run the whole system on PostgreSQL, with one worker."""
    with (
        tempfile.TemporaryDirectory(prefix="rs-bench-") as folder,
        _postgresql(Path(folder) / "postgres") as url,
        running_stack(
            Path(folder) / "var",
            DATABASE_URL=url,
            # One person gets more than anybody should in an hour.
            EMAIL_CAP_PER_PERSON_H="0",
            SMS_CAP_PER_PERSON_H="0",
            **variables,
        ) as stack,
    ):
        yield stack


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL, and yield the URL of its database."""
    folder.mkdir()
    # As root, PostgreSQL runs as another user, which must be able to enter the folder.
    folder.parent.chmod(0o755)
    server = PostgreSQL(folder)
    server.start()
    server.create_database()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def _worker(stack: Stack, number: int) -> Iterator[None]:
    """Run one more worker on the stack."""
    ports = {variable: int(stack.environment[variable]) for variable in PORTS}
    process = subprocess.Popen(
        ["celery", "-A", "rs_systems", "worker", f"--hostname=more{number}@bench"],
        cwd=ROOT,
        env=build_environment(stack.environment, ports, stack.var),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
