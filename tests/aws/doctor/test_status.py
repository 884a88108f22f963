"""`manage.py aws status`: what it prints, its exit status, and what docs/aws.md says of it."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from django.core.management import CommandError, call_command
from moto import mock_aws

from apps.aws.account import Account
from apps.aws.doctor import checks as doctor
from apps.aws.doctor import events
from apps.core.audit.findings import Status, Unseen
from apps.core.providers.aws import read
from sandbox.testing import RunningSandbox
from tests.support.documentation import table
from tools.stack import running_stack
from tools.supervisor import ROOT

DOCS = (ROOT / "docs" / "aws.md").read_text()
#: The check-list of the specification, and its success criteria, in its words.
SPECIFICATION = """\
Verify email domain in SES console
Add DNS records (TXT, CNAME for DKIM)
Wait for domain verification (24-72 hours)
Create IAM user with SES permissions
Add SES credentials to `.env`
Configure Django email settings
Test email sending with management command
Request production access (exit sandbox)
Enable SMS in SNS console
Set spending limits and alerts
Create IAM user with SNS permissions
Add SNS credentials to `.env`
Configure Django SNS settings
Test SMS sending with management command
Monitor costs in first week
Install Redis (local or ElastiCache)
Install Celery and dependencies
Create `celery.py` configuration
Update Django settings for Celery
Test Celery worker locally
Configure Celery Beat for scheduled tasks
Set up Flower monitoring (optional)
Create systemd services for production
Test task execution and retries
Add all environment variables to `.env`
Document environment variables in README
Set up separate .env files for dev/staging/prod
Configure environment variable loading in settings
Domain verified in SES, can send emails to any address
SMS enabled in SNS, spending limits configured
Celery workers running and processing tasks
Redis connected and stable
Test emails delivered successfully
Test SMS delivered successfully
Celery Beat scheduling periodic tasks
Monitoring configured (Flower or equivalent)
""".splitlines()


def test_every_check_is_documented_once_and_in_the_printed_order() -> None:
    explained = [row[0].strip("`") for row in table("What each line is about")]
    assert explained == [check.id for check in doctor.CHECKS]


def test_every_item_of_the_specification_names_checks_that_exist() -> None:
    rows = table("The specification's check-list and success criteria")
    assert [row[0] for row in rows] == SPECIFICATION
    known = {check.id for check in doctor.CHECKS}
    for item, lines, beside in rows:
        named = re.findall(r"`([^`]+)`", lines)
        assert named or beside, f"nothing shows {item}"
        assert set(named) <= known, item


def test_every_right_that_a_line_needs_is_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "apps" / "aws").rglob("*.py"))
    verbs = "Get|List|Filter|Describe|Execute|Delete|Put|Set"
    actions = set(re.findall(rf'"((?:{verbs})[A-Z][A-Za-z]+|CreateChangeSet)"', source))
    assert {"GetAccount", "ExecuteChangeSet", "PutAccountDetails"} < actions
    # The last is a function of the template's.
    for action in actions - {"GetAtt"}:
        assert re.search(
            rf"`(ses|sns|sqs|sts|iam|logs|cloudformation|cloudwatch):{action}`", DOCS
        ), action


def run(capsys: Any, *options: str) -> tuple[int, str]:
    """Return the exit status, and what was printed."""
    status = 0
    try:
        call_command("aws", "status", *options)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return status, capsys.readouterr().out


def test_each_check_is_one_line_below_its_area_and_the_last_line_counts(
    healthy: RunningSandbox, capsys: Any
) -> None:
    healthy.account(access_key_age_days=100)
    status, printed = run(capsys)
    lines = printed.splitlines()
    assert status == 0, "a warning is no failure"
    checks = [line for line in lines if re.match(r"  (ok  |warn|fail) [a-z]+\.[a-z_]+: \S", line)]
    headings = [line for line in lines if re.fullmatch(r"[A-Z][A-Za-z -]+", line)]
    assert len(checks) == len(doctor.CHECKS)
    assert headings == list(dict.fromkeys(check.area for check in doctor.CHECKS))
    assert lines[-1].startswith(f"{len(checks) - 1} ok, 1 warn, 0 fail.")
    [warned] = [line for line in checks if line.startswith("  warn")]
    assert warned.startswith("  warn credentials.key_age: an access key of 100 days. Make another,")


def test_a_failure_is_the_exit_status(healthy: RunningSandbox, capsys: Any) -> None:
    healthy.account(sending_enabled=False)
    status, printed = run(capsys)
    assert status == 1
    assert "  fail email.sending: SES sends nothing: sending is paused. See" in printed


def test_json_is_one_object_with_the_same(healthy: RunningSandbox, capsys: Any) -> None:
    healthy.account(sending_enabled=False)
    status, printed = run(capsys, "--json")
    answer = json.loads(printed)
    assert (status, answer.keys()) == (1, {"ok", "checks"})
    assert answer["ok"] is False
    assert [each["id"] for each in answer["checks"]] == [check.id for check in doctor.CHECKS]
    for each in answer["checks"]:
        assert each.keys() == {"id", "area", "status", "found", "do"}
        assert each["status"] in ("ok", "warn", "fail")
        assert each["found"]
        assert bool(each["do"]) == (each["status"] != "ok")


def test_settings_that_other_commands_refuse_to_start_with_are_a_line(
    sandbox: RunningSandbox,
) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "aws", "status"],
        cwd=ROOT,
        env=os.environ | {"UNKNOWN_RESEND": "email:soon"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "  fail settings.checks: notifications.E006" in ended.stdout
    assert ended.stderr == ""


def test_no_secret_is_printed(healthy: RunningSandbox, capsys: Any, settings: Any) -> None:
    settings.EMAIL_HOST_PASSWORD = "a-secret-password"
    settings.CELERY_BROKER_URL = "redis://:a-secret-password@127.0.0.1:9/0"
    assert "a-secret-password" not in run(capsys)[1]


def test_without_saying_what_the_command_lists_what_there_is() -> None:
    with pytest.raises(CommandError, match="required: WHAT"):
        call_command("aws")


@pytest.mark.services
def test_in_make_run_it_is_set_up_once_and_everything_is_well(tmp_path: Path) -> None:
    setup = ("aws", "setup", "--yes", "--json", "--parameter", "CreateCache=false")
    with running_stack(tmp_path / "stack") as stack:
        first = json.loads(stack.manage(*setup))
        second = json.loads(stack.manage(*setup))
        answer = json.loads(stack.manage("aws", "status", "--json"))
    states = [[step["state"] for step in run["steps"]] for run in (first, second)]
    assert states == [["done", "done", *["nothing to do"] * 2], ["nothing to do"] * 4]
    assert second["plan"]["is_empty"]
    assert answer["ok"]
    assert [each for each in answer["checks"] if each["status"] != "ok"] == []


class Queue:
    """moto's SQS: a queue with dead letters."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("sqs", region_name="us-east-1")
        # A name of its own: within another mock, moto keeps the queues of earlier tests.
        name = f"events-{uuid4().hex}"
        self.dead = self.client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        [arn] = self.client.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])[
            "Attributes"
        ].values()
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
        self.url = self.client.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})[
            "QueueUrl"
        ]

    def put(self, url: str, times: int = 1) -> None:
        for _ in range(times):
            self.client.send_message(QueueUrl=url, MessageBody="{}")


@pytest.fixture
def queue(settings: Any) -> Any:
    with mock_aws():
        made = Queue()
        settings.AWS_SES_EVENT_QUEUE_URL = made.url
        yield made


def test_a_queue_that_is_read_and_has_no_dead_letters_is_well(queue: Queue) -> None:
    queue.put(queue.url, 3)
    assert events.queue(Account()).found == "3 wait in the queue"
    assert events.dead_letters(Account()).found == "no dead letters"


def test_a_queue_that_is_not_read_is_told(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MANY_WAIT", 2)
    queue.put(queue.url, 3)
    assert events.queue(Account()).status == Status.WARN


def test_dead_letters_are_counted(queue: Queue) -> None:
    queue.put(queue.dead, 2)
    finding = events.dead_letters(Account())
    assert (finding.status, finding.found) == (Status.WARN, "2 dead letters")


def test_a_queue_without_dead_letters_is_told(queue: Queue, settings: Any) -> None:
    settings.AWS_SES_EVENT_QUEUE_URL = queue.dead
    assert "has no dead letters" in events.dead_letters(Account()).found


def test_a_queue_that_does_not_exist_fails(queue: Queue, settings: Any) -> None:
    settings.AWS_SES_EVENT_QUEUE_URL = f"{queue.url}-gone"
    with pytest.raises(Unseen, match="AWS does not know it"):
        events.queue(Account())


def test_a_topic_that_brings_its_messages_to_the_queue_is_well(
    sandbox: RunningSandbox, settings: Any
) -> None:
    settings.AWS_SES_EVENT_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/000000000000/events"
    finding = events.subscription(Account())
    assert finding.status == Status.WARN
    assert "its queue subscribes to no topic" in finding.found
    sandbox.account(subscription_endpoint="arn:aws:sqs:us-east-1:000000000000:events")
    assert events.subscription(Account()).found == "confirmed, by sqs"


def test_ses_is_asked_no_faster_than_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SESV2")
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(read, "SES_PAUSE_S", 1000)
    monkeypatch.setattr(read, "_ses_answers_from", 0.0)
    with mock_aws():
        account = Account()
        for name in ("a.example", "b.example"):
            with pytest.raises(Unseen):
                account.ask("sesv2", "GetEmailIdentity", "us-east-1", EmailIdentity=name)
    first, second = slept
    assert first == 0
    assert 0 < second <= 1000
