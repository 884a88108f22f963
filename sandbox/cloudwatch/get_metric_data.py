"""CloudWatch: `GetMetricData` on what SES and SNS would have counted.

Times are in seconds since 1970, as boto3 sends them in AWS's JSON protocol.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.account.settings import AwsAccount
from sandbox.cloudwatch.counts import Counts, Metric
from sandbox.json_input import Strict
from sandbox.net.json_protocol import access_denied, answer, refusal

PERMISSION = "cloudwatch:GetMetricData"
#: The action, as the header X-Amz-Target names it.
TARGET = "GraniteServiceVersion20100801.GetMetricData"
MAX_QUERIES = 500

_STATISTICS: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max}

Word = Annotated[str, Field(min_length=1, max_length=255)]
Seconds = Annotated[float, Field(ge=0, lt=2**40)]


class Dimension(Strict):
    Name: Word
    Value: Word


class NamedMetric(Strict):
    Namespace: Word
    MetricName: Word
    Dimensions: list[Dimension] = []

    def as_counted(self) -> Metric:
        """Return the counted metric; as in CloudWatch, every dimension must be named."""
        named = frozenset((each.Name, each.Value) for each in self.Dimensions)
        return Metric(self.Namespace, self.MetricName, named)


class Statistic(Strict):
    Metric: NamedMetric
    Period: Annotated[int, Field(ge=60, multiple_of=60)]
    Stat: Literal["Sum", "Maximum"]


class Query(Strict):
    Id: Annotated[str, Field(pattern=r"^[a-z][a-zA-Z0-9_]{0,254}$")]
    MetricStat: Statistic


class Request(Strict):
    """The parameters of `GetMetricData` that the sandbox supports; it refuses others."""

    MetricDataQueries: Annotated[list[Query], Field(min_length=1, max_length=MAX_QUERIES)]
    StartTime: Seconds
    EndTime: Seconds
    ScanBy: Literal["TimestampDescending", "TimestampAscending"] = "TimestampDescending"


class GetMetricData:
    """Answers `get_metric_data` of boto3's `cloudwatch` client."""

    def __init__(self, account: AwsAccount, counts: Counts) -> None:
        self._account = account
        self._counts = counts

    async def handle(self, request: web.Request) -> web.Response:
        if self._account.denies(PERMISSION):
            return access_denied(PERMISSION)
        try:
            asked = Request.model_validate_json(await request.read())
        except ValidationError as error:
            return refusal("ValidationError", str(error))
        results = [self._result(query, asked) for query in asked.MetricDataQueries]
        return answer({"MetricDataResults": results, "Messages": []})

    def _result(self, query: Query, asked: Request) -> dict[str, Any]:
        wanted = query.MetricStat
        start, end = (datetime.fromtimestamp(at, UTC) for at in (asked.StartTime, asked.EndTime))
        periods: dict[int, list[float]] = {}
        for at, value in self._counts.points(wanted.Metric.as_counted(), start, end):
            period = int(at.timestamp()) // wanted.Period * wanted.Period
            periods.setdefault(period, []).append(value)
        order = sorted(periods, reverse=asked.ScanBy == "TimestampDescending")
        return {
            "Id": query.Id,
            "Label": wanted.Metric.MetricName,
            "Timestamps": order,
            "Values": [_STATISTICS[wanted.Stat](periods[at]) for at in order],
            "StatusCode": "Complete",
        }
