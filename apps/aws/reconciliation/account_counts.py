"""Asks AWS for its own counts of the account. Nothing here changes anything.

The metrics of SES without a dimension are the whole account's:
https://docs.aws.amazon.com/ses/latest/dg/monitor-sending-activity.html. Those of SNS are of
https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html, whose table of
dimensions does not say how messages to phone numbers are named; the alarms of deploy/ use the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings

from apps.aws.account import Account
from apps.core.audit.findings import Unseen, warn

#: Seconds of one value of CloudWatch; windows are to begin and end at a multiple of it.
PERIOD_S = 300
#: Seconds of one value of the month's spending; only the newest is used.
SPEND_PERIOD_S = 3600

_PHONES = [{"Name": "PhoneNumber", "Value": "PhoneNumberDirect"}]
Series = Mapping[str, Sequence[float]]


class EmailCounts(NamedTuple):
    """E-mails of the whole account and Region."""

    sent: int
    delivered: int
    bounced: int
    complained: int


class TextCounts(NamedTuple):
    """Text messages of the whole account and Region."""

    delivered: int
    failed: int


def sent_in_24_hours(account: Account) -> int:
    """Return what counts for SES's daily quota, in recipients; raises Unseen."""
    quota = account.ask("sesv2", "GetAccount", settings.AWS_SES_REGION_NAME)["SendQuota"]
    return round(quota["SentLast24Hours"])


def emails(account: Account, start: datetime, end: datetime) -> EmailCounts:
    """Return CloudWatch's sums of SES between two multiples of PERIOD_S; raises Unseen."""
    metrics = [_metric("AWS/SES", name) for name in ("Send", "Delivery", "Bounce", "Complaint")]
    series = _series(account, settings.AWS_SES_REGION_NAME, metrics, start, end)
    return EmailCounts(*_sums(series))


def texts(account: Account, start: datetime, end: datetime) -> TextCounts:
    """Return CloudWatch's sums of texts between two multiples of PERIOD_S; raises Unseen.

    They leave out the messages of topics, which SNS counts under the topics' names.
    """
    names = ("NumberOfNotificationsDelivered", "NumberOfNotificationsFailed")
    metrics = [_metric("AWS/SNS", name, _PHONES) for name in names]
    series = _series(account, settings.AWS_SNS_REGION_NAME, metrics, start, end)
    return TextCounts(*_sums(series))


def texts_spent(account: Account, start: datetime, end: datetime) -> Decimal | None:
    """Return the newest value between the two of the month's cost of texts, in US dollars.

    None if there is no value; raises Unseen.
    """
    metric = _metric("AWS/SNS", "SMSMonthToDateSpentUSD")
    wanted = metric | {"Stat": "Maximum", "Period": SPEND_PERIOD_S}
    [values] = _series(account, settings.AWS_SNS_REGION_NAME, [wanted], start, end).values()
    return round(Decimal(values[0]), 5) if values else None


def _metric(
    namespace: str, name: str, dimensions: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": list(dimensions)}
    return {"Metric": metric, "Stat": "Sum", "Period": PERIOD_S}


def _sums(series: Series) -> list[int]:
    # A period in which nothing happened has no value at all.
    return [round(sum(values)) for values in series.values()]


def _series(
    account: Account,
    region: str,
    metrics: Sequence[Mapping[str, Any]],
    start: datetime,
    end: datetime,
) -> Series:
    """Return the values of each metric, the newest first, in the order of the metrics."""
    queries = [{"Id": f"m{number}", "MetricStat": metric} for number, metric in enumerate(metrics)]
    found: dict[str, list[float]] = {str(query["Id"]): [] for query in queries}
    for page in _pages(account, region, MetricDataQueries=queries, StartTime=start, EndTime=end):
        for result in page["MetricDataResults"]:
            _refuse_incomplete(result["StatusCode"])
            found[result["Id"]] += result["Values"]
    return found


def _pages(account: Account, region: str, **query: Any) -> Iterator[dict[str, Any]]:
    query["ScanBy"] = "TimestampDescending"
    while True:
        page = account.ask("cloudwatch", "GetMetricData", region, **query)
        yield page
        if not page.get("NextToken"):
            return
        query["NextToken"] = page["NextToken"]


def _refuse_incomplete(status: str) -> None:
    # Partial data are followed by the rest, on the next page.
    if status not in ("Complete", "PartialData"):
        raise Unseen(warn(f"CloudWatch has no whole answer: {status}", "Run it again later."))
