"""The CloudWatch stand-in: `PutMetricData`, of which it keeps the newest value of each metric."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.account import AwsAccount
from sandbox.new_rule import Strict

#: The service, as the header X-Amz-Target names it before the action.
SERVICE = "GraniteServiceVersion20100801"

Text = Annotated[str, Field(min_length=1, max_length=255)]


class _Dimension(Strict):
    Name: Text
    Value: Text


class _Datum(Strict):
    """One value; another parameter of CloudWatch's is refused rather than ignored."""

    MetricName: Text
    Dimensions: Annotated[list[_Dimension], Field(max_length=30)] = []
    #: Seconds since 1970.
    Timestamp: float = Field(default_factory=time.time)
    Value: Annotated[float, Field(allow_inf_nan=False)]
    Unit: Annotated[str, Field(pattern=r"^(Count|Percent|Seconds|Milliseconds|Bytes|None)$")] = (
        "None"
    )


class _PutMetricData(Strict):
    Namespace: Annotated[str, Field(pattern=r"^[^:].{0,254}$")]
    MetricData: Annotated[list[_Datum], Field(min_length=1, max_length=1000)]


class CloudWatch:
    """The endpoint that boto3's `cloudwatch` client calls."""

    def __init__(self, account: AwsAccount) -> None:
        self._account = account
        self._newest: dict[tuple[str, str, str], dict[str, Any]] = {}

    def newest(self) -> list[dict[str, Any]]:
        """The last value of each metric, ready for JSON; `count` is how many there were."""
        return list(self._newest.values())

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to one call."""
        action = request.headers["X-Amz-Target"].rpartition(".")[2]
        if self._account.denies(f"cloudwatch:{action}"):
            words = f"User is not authorized to perform: cloudwatch:{action}"
            return _refusal("AccessDenied", words, 403)
        if action != "PutMetricData":
            return _refusal("UnknownOperationException", "the sandbox knows PutMetricData only")
        try:
            given = _PutMetricData.model_validate_json(await request.read())
        except ValidationError as error:
            return _refusal("InvalidParameterValue", str(error))
        for datum in given.MetricData:
            self._keep(given.Namespace, datum)
        return _json({})

    def _keep(self, namespace: str, datum: _Datum) -> None:
        dimensions = {each.Name: each.Value for each in datum.Dimensions}
        key = (namespace, datum.MetricName, json.dumps(dimensions, sort_keys=True))
        before = self._newest.get(key)
        self._newest[key] = {
            "namespace": namespace,
            "name": datum.MetricName,
            "dimensions": dimensions,
            "value": datum.Value,
            "unit": datum.Unit,
            "at": datetime.fromtimestamp(datum.Timestamp, UTC).isoformat(),
            "count": before["count"] + 1 if before else 1,
        }


def _refusal(code: str, message: str, status: int = 400) -> web.Response:
    return _json({"__type": code, "message": message}, status)


def _json(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(
        document,
        status=status,
        content_type="application/x-amz-json-1.0",
        headers={"x-amzn-RequestId": str(uuid4())},
    )
