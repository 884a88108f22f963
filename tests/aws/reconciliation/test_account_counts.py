"""What AWS is asked for its counts, held against its service model, and what its answers mean."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from apps.aws.account import Account
from apps.aws.reconciliation import account_counts
from apps.core.audit.findings import Status, Unseen

END = datetime(2026, 11, 26, 10, 25, tzinfo=UTC)
START = END - timedelta(hours=24)
PHONES = [{"Name": "PhoneNumber", "Value": "PhoneNumberDirect"}]


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stubber]]:
    """Answers this service's calls, which must all have been made at the end."""
    stubbers: list[Stubber] = []

    def make(service: Any) -> Stubber:
        client: Any = boto3.client(
            service,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )
        stubber = Stubber(client)
        stubber.activate()
        stubbers.append(stubber)

        monkeypatch.setattr(Account, "_client", lambda *_: client)
        return stubber

    yield make
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


def query(number: int, namespace: str, name: str, dimensions: list[dict[str, str]]) -> Any:
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
    return {
        "Id": f"m{number}",
        "MetricStat": {"Metric": metric, "Stat": "Sum", "Period": 300},
    }


def asked(*queries: Any, **more: Any) -> dict[str, Any]:
    return {
        "MetricDataQueries": list(queries),
        "StartTime": START,
        "EndTime": END,
        "ScanBy": "TimestampDescending",
        **more,
    }


def result(number: int, *values: float, status: str = "Complete") -> dict[str, Any]:
    return {"Id": f"m{number}", "Values": list(values), "StatusCode": status}


EMAILS = [
    query(number, "AWS/SES", name, [])
    for number, name in enumerate(("Send", "Delivery", "Bounce", "Complaint"))
]
TEXTS = [
    query(number, "AWS/SNS", f"NumberOfNotifications{name}", PHONES)
    for number, name in enumerate(("Delivered", "Failed"))
]


def test_ses_s_own_count_is_the_one_of_its_quota(stubbed: Callable[[str], Stubber]) -> None:
    quota = {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 118.0}
    stubbed("sesv2").add_response("get_account", {"SendQuota": quota})
    assert account_counts.sent_in_24_hours(Account()) == 118


def test_the_periods_are_added_up_over_all_pages_and_none_is_zero(
    stubbed: Callable[[str], Stubber],
) -> None:
    cloudwatch = stubbed("cloudwatch")
    first = [result(0, 5.0, 2.0, status="PartialData"), result(1, 6.0), result(2), result(3)]
    cloudwatch.add_response(
        "get_metric_data", {"MetricDataResults": first, "NextToken": "more"}, asked(*EMAILS)
    )
    cloudwatch.add_response(
        "get_metric_data", {"MetricDataResults": [result(0, 1.0)]}, asked(*EMAILS, NextToken="more")
    )
    assert account_counts.emails(Account(), START, END) == (8, 6, 0, 0)


def test_texts_are_those_to_phone_numbers(stubbed: Callable[[str], Stubber]) -> None:
    stubbed("cloudwatch").add_response(
        "get_metric_data", {"MetricDataResults": [result(0, 4.0), result(1, 1.0)]}, asked(*TEXTS)
    )
    assert account_counts.texts(Account(), START, END) == (4, 1)


@pytest.mark.parametrize(("values", "spent"), [([1.2345678, 1.0], Decimal("1.23457")), ([], None)])
def test_of_the_month_s_spending_the_newest_value_counts(
    stubbed: Callable[[str], Stubber], values: list[float], spent: Decimal | None
) -> None:
    wanted = query(0, "AWS/SNS", "SMSMonthToDateSpentUSD", [])
    wanted["MetricStat"] |= {"Stat": "Maximum", "Period": 3600}
    stubbed("cloudwatch").add_response(
        "get_metric_data", {"MetricDataResults": [result(0, *values)]}, asked(wanted)
    )
    assert account_counts.texts_spent(Account(), START, END) == spent


@pytest.mark.parametrize("status", ["InternalError", "Forbidden"])
def test_an_answer_that_is_not_whole_is_none(
    stubbed: Callable[[str], Stubber], status: str
) -> None:
    results = [result(0, 3.0, status=status), result(1)]
    stubbed("cloudwatch").add_response("get_metric_data", {"MetricDataResults": results})
    with pytest.raises(Unseen) as unseen:
        account_counts.texts(Account(), START, END)
    assert unseen.value.finding.status == Status.WARN
    assert status in unseen.value.finding.found


@pytest.mark.parametrize(
    ("code", "status", "found"),
    [
        ("AccessDeniedException", Status.WARN, "not allowed to look: needs ses:GetAccount"),
        ("AccessDenied", Status.WARN, "not allowed to look: needs ses:GetAccount"),
        ("ExpiredTokenException", Status.FAIL, "AWS takes no credentials from here: Expired"),
    ],
)
def test_a_refusal_says_what_is_missing(
    stubbed: Callable[[str], Stubber], code: str, status: Status, found: str
) -> None:
    stubbed("sesv2").add_client_error("get_account", code, "for jane@fleet.example", 403)
    with pytest.raises(Unseen) as unseen:
        account_counts.sent_in_24_hours(Account())
    assert unseen.value.finding.status == status
    assert unseen.value.finding.found.startswith(found)
    assert "jane@" not in unseen.value.finding.found


def test_a_region_that_cannot_be_is_said_and_raises_nothing_else(settings: Any) -> None:
    settings.AWS_SES_REGION_NAME = "not a region"
    with pytest.raises(Unseen, match="sesv2 cannot be asked"):
        account_counts.sent_in_24_hours(Account())
