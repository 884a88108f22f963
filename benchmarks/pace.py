"""Whether the account's pace holds over four workers, and how soon an urgent e-mail overtakes.

A backlog of e-mails to many people is worked off by four workers on PostgreSQL, while now and then
an urgent one is committed. And whether a backlog of text messages leaves e-mail its own pace. All
is counted at the sandbox, by the time at which it took each.
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

RATE = 14.0
BACKLOG = 10_000
URGENT = 40
URGENT_EVERY_S = 1.5
MORE_WORKERS = 3
TEXTS, TEXTS_PER_S = 500, 10.0
BESIDES = 40
BESIDES_EVERY_S = 0.25
#: Seconds that each provider takes to answer while both channels are busy.
LATENCY_S = 0.1

_CREATE = """
from django.contrib.auth.models import User
from apps.core import kinds
from apps.core.models import Contact, Notification
from apps.core.services.notification import NotificationService
from apps.core.states import Priority
people = User.objects.bulk_create([User(username=f"bulk{n}") for n in range(%d)])
Contact.objects.bulk_create([
    Contact(user=u, email=f"{u.username}@bulk.example", verified_email=f"{u.username}@bulk.example")
    for u in people
])
context = kinds.get("repair_approved").sample.model_dump()
NotificationService().notify("repair_approved", people, context, priority=Priority.MEDIUM)
"""

_MAILS = """
import threading
from django.contrib.auth.models import User
from apps.core import kinds
from apps.core.models import Contact
from apps.core.services.notification import NotificationService
from apps.core.states import Priority
user = User.objects.create(username="besides")
Contact.objects.create(user=user, email="besides@x.example", verified_email="besides@x.example")
context = kinds.get("repair_approved").sample.model_dump()
for _ in range(%(count)d):
    NotificationService().notify("repair_approved", user, context, priority=Priority.%(priority)s)
    threading.Event().wait(%(every_s)f)
for row in user.notifications.all():
    delivery = row.deliveries.get(channel="email")
    print(delivery.pk, row.created_at.isoformat())
"""

_TEXTS = """
from django.contrib.auth.models import User
from apps.core import kinds
from apps.core.models import Contact
from apps.core.services.notification import NotificationService
from apps.core.states import Priority
people = User.objects.bulk_create([User(username=f"texted{n}") for n in range(%d)])
Contact.objects.bulk_create([
    Contact(user=u, phone=f"+1202555{n:04d}", verified_phone=f"+1202555{n:04d}", sms_opt_in=True)
    for n, u in enumerate(people)
])
context = kinds.get("repair_approved").sample.model_dump()
NotificationService().notify("repair_approved", people, context, priority=Priority.HIGH)
"""


def measure() -> dict[str, Any]:
    """Messages per second against the limit, the fullest second, and the urgent ones' wait."""
    with ExitStack() as running:
        stack = running.enter_context(_stack(EMAIL_RATE_LIMIT=str(RATE), SMS_ENABLED="false"))
        for number in range(MORE_WORKERS):
            running.enter_context(_worker(stack, number))
        stack.manage("shell", "--no-imports", "--command", _CREATE % BACKLOG)
        wait_until(lambda: _ask(stack, "health")["emails"], "the backlog is being worked off", 60)
        urgent = _MAILS % {"priority": "URGENT", "count": URGENT, "every_s": URGENT_EVERY_S}
        sent = _sent(stack.manage("shell", "--no-imports", "--command", urgent))
        wait_until(lambda: _all_arrived(stack, sent), "all urgent ones arrived", 60)
        return _report(_arrivals(stack), sent)


def measure_beside_texts() -> dict[str, Any]:
    """How long e-mails take that are not urgent, behind a backlog of texts that go before them."""
    slow = {"SMS_RATE_LIMIT": str(TEXTS_PER_S), "SANDBOX_LATENCY": str(LATENCY_S)}
    with _stack(**slow) as stack:
        stack.manage("shell", "--no-imports", "--command", _TEXTS % TEXTS)
        wait_until(lambda: _ask(stack, "health")["sms"], "the texts are being worked off", 60)
        mails = _MAILS % {"priority": "MEDIUM", "count": BESIDES, "every_s": BESIDES_EVERY_S}
        sent = _sent(stack.manage("shell", "--no-imports", "--command", mails))
        wait_until(lambda: _all_arrived(stack, sent), "all e-mails arrived", 120)
        still_waiting = TEXTS - _ask(stack, "health")["sms"]
        assert still_waiting > 0, "the texts were gone before the e-mails"
        wait_until(lambda: _ask(stack, "health")["sms"] == TEXTS, "all texts arrived", 120)
        texts = _ask(stack, f"messages?kind=sms&limit={TEXTS}")["messages"]
        times = sorted(datetime.fromisoformat(each["received_at"]).timestamp() for each in texts)
        waits = _waits(_arrivals(stack), sent)
    return {
        "name": "beside texts",
        "texts": TEXTS,
        "texts_share_of_limit": round((TEXTS - 1) / (times[-1] - times[0]) / TEXTS_PER_S, 3),
        "emails": len(waits),
        "email_commit_to_acceptance_median_s": round(statistics.median(waits), 3),
        "email_commit_to_acceptance_p99_s": round(waits[-1], 3),
    }


def _waits(arrivals: dict[str, datetime], sent: dict[str, datetime]) -> list[float]:
    return sorted((arrivals[pk] - at).total_seconds() for pk, at in sent.items())


def _report(arrivals: dict[str, datetime], urgent: dict[str, datetime]) -> dict[str, Any]:
    every = sorted(at.timestamp() for at in arrivals.values())
    # While processes start, a machine of two cores stands still for a tenth of a second now and
    # then, the sandbox that counts included: that is told apart from what the limiter does.
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
        "most_in_one_second": max(_in_the_second_from(times)),
        "most_in_one_second_while_starting": max(_in_the_second_from(every)),
        "urgent_messages": len(waits),
        "urgent_commit_to_acceptance_median_s": round(statistics.median(waits), 3),
        "urgent_commit_to_acceptance_p99_s": round(waits[-1], 3),
    }


def _in_the_second_from(times: list[float]) -> Iterator[int]:
    end = 0
    for start, time in enumerate(times):
        while end < len(times) and times[end] < time + 1:
            end += 1
        yield end - start


def _arrivals(stack: Stack) -> dict[str, datetime]:
    """When the sandbox took each delivery's e-mail."""
    found: dict[str, datetime] = {}
    since = 0
    while True:
        page = _ask(stack, f"messages?kind=email&limit=1000&since={since}")
        for message in page["messages"]:
            found[message["tags"]["delivery"]] = datetime.fromisoformat(message["received_at"])
        if len(page["messages"]) < 1000:
            return found
        since = page["last_seq"]


def _all_arrived(stack: Stack, sent: dict[str, datetime]) -> bool:
    # Of these alone: to read the whole backlog again and again would hold up what is measured.
    page = _ask(stack, "messages?kind=email&limit=1000&to=besides@x.example")
    return sent.keys() <= {message["tags"]["delivery"] for message in page["messages"]}


def _ask(stack: Stack, path: str) -> dict[str, Any]:
    with urlopen(f"{stack.sandbox_url}/api/{path}") as answer:  # noqa: S310  our own address
        return dict(json.load(answer))


def _sent(printed: str) -> dict[str, datetime]:
    lines = [line.split() for line in printed.splitlines() if len(line.split()) == 2]
    return {pk: datetime.fromisoformat(at) for pk, at in lines}


@contextmanager
def _stack(**variables: str) -> Iterator[Stack]:
    """The whole system on PostgreSQL, with one worker."""
    with (
        tempfile.TemporaryDirectory(prefix="rs-bench-") as folder,
        _postgresql(Path(folder) / "postgres") as url,
        running_stack(Path(folder) / "var", DATABASE_URL=url, **variables) as stack,
    ):
        yield stack


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    """The database that a fleet of workers has in production; its URL."""
    folder.mkdir()
    # PostgreSQL refuses root, and its own user must get there.
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
