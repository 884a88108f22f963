"""What AWS itself has counted on the account. Nothing here changes anything, and nothing sends.

The metrics of SES without a dimension are the whole account's:
https://docs.aws.amazon.com/ses/latest/dg/monitor-sending-activity.html. Those of SNS are of
https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html, whose table of
dimensions does not say how messages to phone numbers are named; the alarms of deploy/ use the same.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from botocore import exceptions as aws
from botocore.config import Config
from django.conf import settings

from apps.core.audit.findings import Finding, Unseen, fail, warn
from apps.core.providers.aws import session
from apps.core.redaction import redact

#: Reading is harmless to repeat, so here boto3's own retries are welcome.
CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
#: Seconds of one value of CloudWatch; windows are to begin and end at a multiple of it.
PERIOD_S = 300
#: Seconds of one value of the month's spending, of which the newest is wanted alone.
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


def sent_in_24_hours() -> int:
    """What counts for SES's daily quota, in recipients; raises Unseen."""

    def ask(client: Any) -> int:
        return round(client.get_account()["SendQuota"]["SentLast24Hours"])

    return int(_asked("sesv2", "ses:GetAccount", settings.AWS_SES_REGION_NAME, ask))


def emails(start: datetime, end: datetime) -> EmailCounts:
    """CloudWatch's sums of what SES did between two multiples of PERIOD_S; raises Unseen."""
    metrics = [_metric("AWS/SES", name) for name in ("Send", "Delivery", "Bounce", "Complaint")]
    series = _series(settings.AWS_SES_REGION_NAME, metrics, start, end)
    return EmailCounts(*_sums(series))


def texts(start: datetime, end: datetime) -> TextCounts:
    """CloudWatch's sums of what became of texts between two multiples of PERIOD_S; raises Unseen.

    Without the messages of topics, which SNS counts under the topics' names.
    """
    names = ("NumberOfNotificationsDelivered", "NumberOfNotificationsFailed")
    metrics = [_metric("AWS/SNS", name, _PHONES) for name in names]
    series = _series(settings.AWS_SNS_REGION_NAME, metrics, start, end)
    return TextCounts(*_sums(series))


def texts_spent(start: datetime, end: datetime) -> Decimal | None:
    """The newest value between the two of what the month's texts cost, in US dollars.

    None where there is no value; raises Unseen.
    """
    metric = _metric("AWS/SNS", "SMSMonthToDateSpentUSD")
    wanted = metric | {"Stat": "Maximum", "Period": SPEND_PERIOD_S}
    [values] = _series(settings.AWS_SNS_REGION_NAME, [wanted], start, end).values()
    return round(Decimal(values[0]), 5) if values else None


def _metric(
    namespace: str, name: str, dimensions: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": list(dimensions)}
    return {"Metric": metric, "Stat": "Sum", "Period": PERIOD_S}


def _sums(series: Series) -> list[int]:
    # Where nothing happened there is no value at all.
    return [round(sum(values)) for values in series.values()]


def _series(
    region: str, metrics: Sequence[Mapping[str, Any]], start: datetime, end: datetime
) -> Series:
    """The values of each metric, the newest first, in the order of the metrics."""
    queries = [{"Id": f"m{number}", "MetricStat": metric} for number, metric in enumerate(metrics)]

    def ask(client: Any) -> Series:
        found: dict[str, list[float]] = {str(query["Id"]): [] for query in queries}
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampDescending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                _refuse_incomplete(result["StatusCode"])
                found[result["Id"]] += result["Values"]
        return found

    series: Series = _asked("cloudwatch", "cloudwatch:GetMetricData", region, ask)
    return series


def _refuse_incomplete(status: str) -> None:
    # Partial data are followed by the rest, on the next page.
    if status not in ("Complete", "PartialData"):
        raise Unseen(warn(f"CloudWatch has no whole answer: {status}", "Run it again later."))


def _asked(service: str, right: str, region: str, ask: Callable[[Any], Any]) -> Any:
    try:
        return ask(session.new().create_client(service, region_name=region, config=CONFIG))
    except aws.ClientError as error:
        if error.response["Error"].get("Code", "").startswith("AccessDenied"):
            raise Unseen(
                warn(f"not allowed to look: needs {right}", f"Allow {right} to whoever runs this.")
            ) from error
        raise Unseen(_no_answer(service, error)) from error
    except (aws.BotoCoreError, ValueError) as error:
        raise Unseen(_no_answer(service, error)) from error


def _no_answer(service: str, error: Exception) -> Finding:
    return fail(
        f"{service} does not say: {redact(str(error)).rstrip('.')}",
        "`manage.py aws status` says what is wrong.",
    )
