"""`aws loopback` with real processes: a worker, the site, Redis, and the sandbox as AWS.

Each hop is broken once, and must be named.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pytest
import redis

from apps.core import tasks
from apps.core.audit import heartbeat
from apps.core.audit.ledger import ledger
from apps.core.delivery import wakeups
from apps.core.guards import reputation
from apps.core.models import ChannelStop, Delivery, Notification, ProviderEvent, Suppression
from apps.core.providers.aws.simulator import NUMBERS
from apps.core.states import DeliveryState, LogEvent, Via
from sandbox.testing import RunningSandbox, running_sandbox
from tests.support.broker import try_broker_again
from tests.support.services import (
    REDIS_IS_SLOW,
    Site,
    Worker,
    running_worker,
    shared_environment,
    wait_until,
)
from tools.endpoints import endpoints
from tools.supervisor import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

OTHER_TOPIC = "arn:aws:sns:us-east-1:000000000000:somebody-elses"
ALL = ["success", "bounce", "complaint", "suppressionlist", "sms-success", "sms-failure"]
#: Seconds that a run with a broken hop waits for what cannot come: enough for the hops before it,
#: and again where they were not.
SHORT, LONG = "--timeout=4", "--timeout=60"

Variables = dict[str, str]


class Answer(NamedTuple):
    status: int
    output: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)

    @property
    def broken(self) -> Any:
        [message] = self.json["messages"]
        return message["broken"]

    def names(self, hop: str, *lines: str) -> bool:
        """Return whether this hop broke, and these lines of the doctor tell why."""
        likely = tuple(line["id"] for line in self.broken["likely"])
        return (self.status, self.broken["hop"], likely) == (1, hop, lines)


Loopback = Callable[..., Answer]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def sandbox(site: Site) -> Iterator[RunningSandbox]:
    with running_sandbox(events_url=f"{site.url}/webhooks/aws/sns") as running:
        yield running


@pytest.fixture(scope="module")
def variables(site: Site, sandbox: RunningSandbox) -> Variables:
    """Return the variables that all processes share."""
    return {
        "SITE_URL": site.url,
        "SANDBOX_URL": sandbox.url,
        "AWS_SES_PORT": str(sandbox.smtp_port),
        **endpoints(sandbox.aws_url),
    }


@pytest.fixture(scope="module")
def running_site(django_db_setup: None, site: Site, variables: Variables) -> Iterator[Site]:
    site.start(**variables)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def the_worker(
    django_db_setup: None,
    redis_url: str,
    variables: Variables,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worker]:
    redis.Redis.from_url(redis_url).flushall()
    folder = tmp_path_factory.mktemp("worker")
    with running_worker(folder, "loopback@tests", 2, **variables) as worker:
        yield worker


@pytest.fixture
def loopback(
    the_worker: Worker, running_site: Site, sandbox: RunningSandbox, variables: Variables
) -> Iterator[Loopback]:
    """Runs the command beside a worker and a site; sweeps and reads receipts as beat would."""
    sandbox.clear()
    sandbox.clear_rules()
    sandbox.reset_account()
    try_broker_again()
    heartbeat.stamp()

    def run(*options: str, **changes: str) -> Answer:
        with subprocess.Popen(
            [sys.executable, "manage.py", "aws", "loopback", "--yes", *options],
            cwd=ROOT,
            env=shared_environment(variables | changes),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            while True:
                try:
                    output, _ = process.communicate(timeout=1)
                except subprocess.TimeoutExpired:
                    # On a slow machine they must not pile up before the messages.
                    with suppress(*REDIS_IS_SLOW):
                        if the_worker.is_idle():
                            wakeups.wake_dispatch()
                            if "--sms" in options:
                                tasks.read_sms_receipts.apply_async()
                else:
                    return Answer(process.returncode, output)

    yield run
    sandbox.clear_rules()
    sandbox.reset_account()


def without(hop: str, loopback: Loopback, *options: str, **changes: str) -> Answer:
    """Return the answer of a run that this hop stops; it waits no longer than it has to."""
    answer = loopback(*options, SHORT, "--json", **changes)
    if answer.broken["hop"] != hop:
        answer = loopback(*options, LONG, "--json", **changes)
    return answer


@contextmanager
def standing_still(worker: Worker) -> Iterator[None]:
    # In the middle of a task it may hold a lock of the database.
    wait_until(worker.is_idle, "the worker has nothing to do")
    os.killpg(worker.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(worker.process.pid, signal.SIGCONT)


def test_every_event_comes_back_and_again_right_after(loopback: Loopback) -> None:
    first = loopback("--sms", "--json")
    assert first.status == 0, first.output
    assert first.json["ok"]
    assert [each["to"] for each in first.json["messages"]] == ALL
    for each in first.json["messages"]:
        # The answer to the call may be written down after what is reported of it.
        hops = {step["hop"] for step in each["steps"]}
        assert hops >= {"worker", "event", "delivery"}, each["to"]

    second = loopback("--sms")
    assert second.status == 0, second.output
    assert "6 of 6 came back" in second.output
    assert "bounced, by the webhook (Permanent General)" in second.output
    assert "bounced, by the log (Phone has blocked SMS)" in second.output

    assert set(ProviderEvent.objects.values_list("via", flat=True)) == {Via.WEBHOOK, Via.LOG}
    assert not ProviderEvent.objects.filter(delivery=None).exists()
    assert ledger().balances
    sent = Delivery.objects.exclude(state=DeliveryState.SKIPPED)
    assert sent.count() == Notification.objects.count() == 12, "nothing stood in for anything"
    assert not ChannelStop.objects.exists()
    assert (reputation.measure().bounced, reputation.measure().complained) == (0, 0)
    assert not Suppression.objects.exists()


def test_without_a_worker_it_says_so_and_leaves_nothing_to_be_sent(
    loopback: Loopback, the_worker: Worker, sandbox: RunningSandbox
) -> None:
    with standing_still(the_worker):
        answer = loopback("--only=success", SHORT, "--json")
    assert answer.names("worker", "workers.online")
    wait_until(the_worker.is_idle, "the worker has had its task")
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == (DeliveryState.SKIPPED, 0)
    assert list(row.log.values_list("event", flat=True)) == [LogEvent.SKIPPED]
    assert sandbox.messages() == []


def test_what_the_provider_refuses_is_said_in_its_words(
    loopback: Loopback, sandbox: RunningSandbox
) -> None:
    sandbox.rule(channel="email", answer="permanent")
    answer = loopback("--only=bounce", "--json")
    assert answer.status == 1
    assert answer.broken["hop"] == "provider"
    assert answer.broken["why"].startswith("refused for good: 554")


def test_an_event_that_is_not_sent_to_us_is_missed_and_the_doctor_says_why(
    loopback: Loopback, sandbox: RunningSandbox
) -> None:
    sandbox.account(subscription_confirmed=False)
    sandbox.rule(channel="email", events={"outcome": "none"})
    answer = without("event", loopback, "--only=success")
    assert answer.names("event", "events.subscription")
    assert answer.broken["why"] == "the provider accepted it, and no event came"


def test_an_event_of_a_topic_that_the_site_does_not_believe_is_missed(
    loopback: Loopback, running_site: Site, sandbox: RunningSandbox, variables: Variables
) -> None:
    running_site.stop()
    running_site.start(**variables, AWS_SES_EVENT_TOPIC_ARNS=OTHER_TOPIC)
    try:
        topics = {"AWS_SES_EVENT_TOPIC_ARNS": OTHER_TOPIC}
        answer = without("event", loopback, "--only=success", **topics)
        wait_until(lambda: sandbox.health()["events"]["refused"], "the site has refused it")
    finally:
        running_site.stop()
        running_site.start(**variables)
    assert (answer.status, answer.broken["hop"]) == (1, "event")
    assert answer.broken["why"] == "the provider accepted it, and no event came"
    likely = {line["id"]: line["found"] for line in answer.broken["likely"]}
    assert likely["events.destination"].startswith("events go to rs-systems-ses-events, which")
    assert not ProviderEvent.objects.exists()


def test_a_delivery_that_ends_otherwise_than_expected_is_told_at_once(
    loopback: Loopback, sandbox: RunningSandbox
) -> None:
    sandbox.rule(channel="email", events={"outcome": "bounce"})
    answer = loopback("--only=success", "--json")
    assert answer.status == 1
    assert answer.broken["hop"] == "delivery"
    assert answer.broken["why"].startswith("it is bounced, and should be delivered: ")


def test_a_receipt_that_does_not_come_is_missed(
    loopback: Loopback, sandbox: RunningSandbox
) -> None:
    sandbox.rule(channel="sms", events={"outcome": "none"})
    sandbox.account(sms_attributes={"MonthlySpendLimit": "50"})
    answer = without("event", loopback, "--only=sms-success")
    assert answer.names("event", "sms.delivery_log")
    assert {text["phone"] for text in sandbox.messages(kind="sms")} == {NUMBERS["US"].success}
