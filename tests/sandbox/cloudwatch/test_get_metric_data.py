"""SES's and SNS's counts, read by a real boto3 client."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.testing import RunningSandbox, running_sandbox
from tests.support.clients import aws, send_email, send_text

pytestmark = pytest.mark.services

PHONES = [{"Name": "PhoneNumber", "Value": "PhoneNumberDirect"}]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Yield a sandbox whose counts are zero."""
    with running_sandbox(0, "", None, "--events-delay=0") as running:
        yield running


def ask(sandbox: RunningSandbox, *metrics: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    queries = [
        {"Id": f"m{number}", "MetricStat": {"Period": 300, "Stat": "Sum", **metric}}
        for number, metric in enumerate(metrics)
    ]
    answer = aws(sandbox, "cloudwatch").get_metric_data(
        **{
            "MetricDataQueries": queries,
            "StartTime": now - timedelta(hours=24),
            "EndTime": now + timedelta(minutes=5),
            **more,
        }
    )
    return list(answer["MetricDataResults"])


def emails(name: str) -> dict[str, Any]:
    return {"Metric": {"Namespace": "AWS/SES", "MetricName": name}}


def texts(name: str) -> dict[str, Any]:
    metric = {"Namespace": "AWS/SNS", "MetricName": name, "Dimensions": PHONES}
    return {"Metric": metric}


def sums(results: list[dict[str, Any]]) -> list[float]:
    return [sum(each["Values"]) for each in results]


def test_every_email_counts_also_without_events(sandbox: RunningSandbox) -> None:
    sandbox.rule(channel="email", to="gone@fleet.example", events={"outcome": "bounce"})
    sandbox.rule(channel="email", to="cross@fleet.example", events={"outcome": "complaint"})
    sandbox.rule(channel="email", to="quiet@fleet.example", events={"outcome": "none"})
    for name in ("jane", "gone", "cross", "quiet"):
        send_email(sandbox, f"{name}@fleet.example")
    found = ask(sandbox, *map(emails, ("Send", "Delivery", "Bounce", "Complaint", "Reject")))
    assert sums(found) == [4, 3, 1, 1, 0]
    assert {each["StatusCode"] for each in found} == {"Complete"}
    assert found[4]["Values"] == [], "without events there is no value"


def test_the_quota_counts_recipients_but_not_the_simulator(sandbox: RunningSandbox) -> None:
    send_email(sandbox, "jane@fleet.example", "tom@fleet.example")
    send_email(sandbox, "bounce+x@simulator.amazonses.com")
    ses = aws(sandbox, "sesv2")
    assert ses.get_account()["SendQuota"]["SentLast24Hours"] == 2
    sandbox.clear()
    assert ses.get_account()["SendQuota"]["SentLast24Hours"] == 2, "AWS forgets nothing"
    sandbox.account(sent_last_24_hours=7)
    assert ses.get_account()["SendQuota"]["SentLast24Hours"] == 7
    assert sums(ask(sandbox, emails("Send"))) == [3]


def test_refused_emails_are_not_counted(sandbox: RunningSandbox) -> None:
    sandbox.rule(channel="email", answer="transient")
    assert send_email(sandbox)[0] == 451
    assert sums(ask(sandbox, emails("Send"))) == [0]


def test_delivered_and_failed_texts_are_counted_and_charged(sandbox: RunningSandbox) -> None:
    send_text(sandbox)
    sandbox.rule(channel="sms", events={"outcome": "bounce"})
    send_text(sandbox)
    names = ("NumberOfNotificationsDelivered", "NumberOfNotificationsFailed")
    assert sums(ask(sandbox, *map(texts, names))) == [1, 1]
    metric = {"Namespace": "AWS/SNS", "MetricName": "SMSMonthToDateSpentUSD"}
    [spent] = ask(sandbox, {"Metric": metric, "Stat": "Maximum", "Period": 3600})
    assert spent["Values"][0] == pytest.approx(0.0129)


def test_a_metric_is_found_only_with_all_its_dimensions(sandbox: RunningSandbox) -> None:
    send_text(sandbox)
    bare = {"Namespace": "AWS/SNS", "MetricName": "NumberOfNotificationsDelivered"}
    assert sums(ask(sandbox, {"Metric": bare})) == [0]


def test_periods_are_aligned_and_lie_within_the_requested_times(
    sandbox: RunningSandbox,
) -> None:
    send_email(sandbox)
    [found] = ask(sandbox, emails("Send"))
    [at] = found["Timestamps"]
    assert at.timestamp() % 300 == 0
    assert at <= datetime.now(UTC) < at + timedelta(minutes=10)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    assert sums(ask(sandbox, emails("Send"), EndTime=earlier)) == [0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"denied": ["cloudwatch:GetMetricData"]}, "AccessDenied"),
        ({}, "ValidationError"),
    ],
)
def test_a_denied_or_unsupported_query_is_refused(
    sandbox: RunningSandbox, change: dict[str, Any], code: str
) -> None:
    sandbox.account(**change)
    with pytest.raises(ClientError) as error:
        ask(sandbox, emails("Send"), MaxDatapoints=10)
    assert error.value.response["Error"]["Code"] == code
