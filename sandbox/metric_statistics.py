"""The CloudWatch stand-in: `GetMetricData` on what SES and SNS would have counted.

As boto3 calls it: in AWS's JSON protocol, with times in seconds since 1970.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.account import AwsAccount
from sandbox.counts import Counts, Metric
from sandbox.new_rule import Strict

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
        """Under what its counts are kept: CloudWatch wants every dimension of a metric named."""
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
    """The parameters of `GetMetricData` that are honoured; another one is refused."""

    MetricDataQueries: Annotated[list[Query], Field(min_length=1, max_length=MAX_QUERIES)]
    StartTime: Seconds
    EndTime: Seconds
    ScanBy: Literal["TimestampDescending", "TimestampAscending"] = "TimestampDescending"


class MetricStatistics:
    """What boto3's `cloudwatch` client calls."""

    def __init__(self, account: AwsAccount, counts: Counts) -> None:
        self._account = account
        self._counts = counts

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to one call."""
        if self._account.denies("cloudwatch:GetMetricData"):
            return _refusal("AccessDenied", "not authorized to perform: cloudwatch:GetMetricData")
        try:
            asked = Request.model_validate_json(await request.read())
        except ValidationError as error:
            return _refusal("ValidationError", str(error))
        results = [self._result(query, asked) for query in asked.MetricDataQueries]
        return _json({"MetricDataResults": results, "Messages": []})

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


def _refusal(kind: str, message: str) -> web.Response:
    # The code of the older protocol stands in a header, and is what boto3 goes by.
    answer = _json({"__type": kind, "message": message}, status=400)
    answer.headers["x-amzn-query-error"] = f"{kind};Sender"
    return answer


def _json(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(document), status=status, content_type="application/x-amz-json-1.0"
    )
