"""`manage.py aws reconcile` with real parts: mail and texts to a sandbox whose events come back."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.aws.reconciliation import differences
from apps.core import providers, tasks
from apps.core.audit.findings import Difference, Status
from apps.core.models import Alarm, Delivery, ProviderEvent
from apps.core.states import Channel, DeliveryState, Priority
from sandbox.arns import TOPIC as ARN
from sandbox.testing import HOST, SMTP_PASSWORD, SMTP_USER, RunningSandbox, running_sandbox
from tests.support.attempts import attempt
from tests.support.clients import send_over, send_text, smtp
from tests.support.documentation import table
from tests.support.log import rewritable_log
from tools.processes import wait_until

pytestmark = pytest.mark.services

#: Of the account that the application and the sandbox share.
SET, GROUP = "rs-systems-notifications", "sns/us-east-1/000000000000/DirectPublishToPhoneNumber"
#: When all that the tests send is old enough to be compared, and to be missed.
LATER = timedelta(hours=2)


@pytest.fixture
def sandbox(
    transactional_db: None,
    live_server: Any,
    redis_url: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningSandbox]:
    """Yield a sandbox that has counted nothing yet, and posts its events to the site."""
    webhook = f"{live_server.url}/webhooks/aws/sns"
    with running_sandbox(0, webhook, None, "--events-delay=0.05") as running:
        for service in ("SNS", "CLOUDWATCH_LOGS", "CLOUDWATCH", "SESV2"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", running.aws_url)
        settings.EMAIL_BACKEND = settings.SES_BACKEND
        settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, running.smtp_port
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = SMTP_USER, SMTP_PASSWORD
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_RATE_LIMIT = settings.SMS_RATE_LIMIT = 1000.0
        settings.AWS_SES_CONFIGURATION_SET, settings.AWS_EVENT_TOPIC_ARNS = SET, [ARN]
        settings.SANDBOX_URL, settings.SNS_TRUST_SANDBOX = running.url, True
        settings.SMS_BACKEND = "apps.core.providers.sns.SNS"
        settings.SMS_DELIVERY_LOG_GROUP = GROUP
        providers.forget()
        yield running
    providers.forget()


@pytest.fixture
def email(sandbox: RunningSandbox, delivery: Callable[..., Delivery]) -> Callable[[], Delivery]:
    """Return an e-mail of ours for which SES has sent every event."""

    def send(state: DeliveryState = DeliveryState.DELIVERED) -> Delivery:
        row = delivery()
        attempt(row.pk)
        wait_until(lambda: Delivery.objects.get(pk=row.pk).state == state, f"it is {state}")
        return row

    return send


def compared() -> dict[str, Difference]:
    return {line.id: line for line in differences.compare(timezone.now() + LATER)}


def not_ok(lines: dict[str, Difference]) -> dict[str, Status]:
    return {
        name: line.finding.status
        for name, line in lines.items()
        if line.finding.status != Status.OK
    }


def send_foreign(sandbox: RunningSandbox, number: int, **headers: str) -> None:
    with smtp(sandbox) as client:
        for _ in range(number):
            assert send_over(client, **headers)[0] == 250


def test_the_ledger_agrees_with_aws_about_emails_and_texts(
    sandbox: RunningSandbox, email: Callable[..., Delivery], delivery: Callable[..., Delivery]
) -> None:
    for _ in range(3):
        email()
    for outcome, state in (("bounce", "bounced"), ("complaint", "complained")):
        sandbox.rule(channel="email", times=1, events={"outcome": outcome})
        email(DeliveryState(state))
    texts = [delivery(Channel.SMS, Priority.HIGH) for _ in range(2)]
    for row in texts:
        attempt(row.pk)
    wait_until(lambda: sandbox.health()["events"]["waiting"] == 0, "all was reported")
    tasks.read_sms_receipts()

    lines = compared()
    assert not_ok(lines) == {}
    found = {name: line.finding.found for name, line in lines.items()}
    assert found["email.sent"] == "SES counts 5 sent in 24 hours, we 5"
    assert found["email.delivered"] == "CloudWatch counts 4 deliveries, 4 were reported to us"
    assert found["email.bounced"] == "CloudWatch counts 1, 1 were reported to us"
    assert found["email.complained"] == "CloudWatch counts 1, 1 were reported to us"
    assert found["sms.delivered"] == "CloudWatch counts 2, SNS's log has 2"
    assert found["sms.spend"] in (
        "SNS has charged 0.01 USD this month, our ledger has 0.01",
        "the month is younger than a day",
    )


def test_foreign_mail_on_the_account_is_one_finding(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    email()
    send_foreign(sandbox, 12)
    lines = compared()
    assert not_ok(lines) == {"email.sent": Status.WARN}
    assert lines["email.sent"].finding.found.endswith("we 1: 12 are not ours")


def test_foreign_mail_through_our_configuration_set_is_one_finding(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    email()
    send_foreign(sandbox, 12, X_SES_CONFIGURATION_SET=SET)
    wait_until(
        lambda: ProviderEvent.objects.filter(delivery=None, kind="delivered").count() == 12,
        "all of it was reported to us",
    )
    lines = compared()
    assert not_ok(lines) == {"events.foreign": Status.WARN}
    assert lines["events.foreign"].finding.found.endswith("no delivery: 12")


def test_lost_events_are_one_finding_with_their_deliveries(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    email()
    sandbox.rule(channel="email", events={"outcome": "none"})
    lost = [str(email(DeliveryState.ACCEPTED).pk) for _ in range(2)]
    lines = compared()
    assert not_ok(lines) == {"events.lost": Status.FAIL}
    assert sorted(lines["events.lost"].rows) == sorted(lost)
    assert all(pk in lines["events.lost"].finding.found for pk in lost)


def test_an_accepted_email_that_ses_did_not_count_is_one_finding(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    email()
    email()
    sandbox.account(sent_last_24_hours=1)
    lines = compared()
    assert not_ok(lines) == {"email.sent": Status.FAIL}
    assert "1 that we take for accepted are not among them" in lines["email.sent"].finding.found


def test_foreign_texts_are_one_finding(sandbox: RunningSandbox) -> None:
    for _ in range(4):
        send_text(sandbox)
    wait_until(lambda: sandbox.health()["events"]["waiting"] == 0, "the log has them")
    tasks.read_sms_receipts()
    lines = compared()
    assert not_ok(lines) == {"sms.foreign": Status.WARN}
    # One of them told an alarm.
    told = timezone.now() - timedelta(hours=2)
    values = {"value": 1, "sentence": "x", "seen_at": told, "started_at": told}
    Alarm.objects.create(name="doctor", start_texted_at=told, **values)
    assert not_ok(compared()) == {}


def run(*options: str) -> tuple[str, int]:
    """Return what the command prints, and its exit status."""
    out = StringIO()
    try:
        call_command("aws", "reconcile", *options, stdout=out)
    except SystemExit as stopped:
        return out.getvalue(), int(str(stopped.code))
    return out.getvalue(), 0


def test_the_command_prints_a_line_each_and_ends_with_0_if_nothing_fails(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    email()
    printed, status = run()
    assert status == 0
    ids = [line.split()[1].rstrip(":") for line in printed.splitlines()]
    assert ids == list(compared())
    assert "ok   email.sent: SES counts 1 sent in 24 hours, we 0 to 1." in printed


def test_as_json_it_is_one_object_and_the_status_is_1_if_one_fails(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    row = email()
    with rewritable_log():
        row.log.all().delete()
    printed, status = run("--json")
    answer = json.loads(printed)
    assert (status, answer["ok"]) == (1, False)
    assert [line["id"] for line in answer["lines"]] == list(compared())
    [failed] = [line for line in answer["lines"] if line["status"] == "fail"]
    assert failed["id"] == "ledger.balance"
    assert set(failed) == {"id", "status", "found", "do", "deliveries"}
    assert failed["do"] == "`manage.py ledger` lists them."


def test_a_missing_right_is_one_finding_that_names_it(
    sandbox: RunningSandbox, email: Callable[..., Delivery]
) -> None:
    email()
    sandbox.account(denied=["ses:GetAccount", "cloudwatch:GetMetricData"])
    lines = compared()
    asked = {"email.sent": "ses:GetAccount"} | dict.fromkeys(
        [
            "email.delivered",
            "email.bounced",
            "email.complained",
            "sms.spend",
            "sms.delivered",
            "sms.failed",
        ],
        "cloudwatch:GetMetricData",
    )
    if "younger" in lines["sms.spend"].finding.found:
        del asked["sms.spend"]
    assert not_ok(lines) == dict.fromkeys(asked, Status.WARN)
    for name, right in asked.items():
        assert lines[name].finding.found == f"not allowed to look: needs {right}"
    assert run()[1] == 0


def test_an_unreachable_aws_fails_only_the_comparisons_that_ask_it(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    lines = compared()
    failed = {"email.delivered", "email.bounced", "email.complained", "sms.delivered", "sms.failed"}
    assert set(not_ok(lines)) - {"sms.spend"} == failed
    assert lines["email.bounced"].finding.found.startswith("cloudwatch could not be reached")


def test_every_comparison_is_documented_in_the_printed_order(
    sandbox: RunningSandbox,
) -> None:
    explained = [re.sub("`", "", row[0]) for row in table("Reconciling")]
    assert explained == list(compared())
