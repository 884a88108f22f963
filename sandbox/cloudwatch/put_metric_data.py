"""CloudWatch: `PutMetricData`, of which the newest value of each metric is kept."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.account.settings import AwsAccount
from sandbox.json_input import Strict
from sandbox.net.json_protocol import access_denied, answer, refusal

#: The service, as the header X-Amz-Target names it.
TARGET = "GraniteServiceVersion20100801"

Text = Annotated[str, Field(min_length=1, max_length=255)]


class _Dimension(Strict):
    Name: Text
    Value: Text


class _Datum(Strict):
    """One value; the sandbox refuses CloudWatch's other parameters."""

    MetricName: Text
    Dimensions: Annotated[list[_Dimension], Field(max_length=30)] = []
    #: Seconds since 1970.
    Timestamp: float = Field(default_factory=time.time)
    Value: Annotated[float, Field(allow_inf_nan=False)]
    Unit: Annotated[str, Field(pattern=r"^(Count|Percent|Seconds|Milliseconds|Bytes|None)$")] = (
        "None"
    )


class _Request(Strict):
    Namespace: Annotated[str, Field(pattern=r"^[^:].{0,254}$")]
    MetricData: Annotated[list[_Datum], Field(min_length=1, max_length=1000)]


class PutMetricData:
    """Answers `put_metric_data` of boto3's `cloudwatch` client."""

    def __init__(self, account: AwsAccount) -> None:
        self._account = account
        self._newest: dict[tuple[str, str, str], dict[str, Any]] = {}

    def newest(self) -> list[dict[str, Any]]:
        """Return the newest value of each metric; `count` is how many there were."""
        return list(self._newest.values())

    async def handle(self, request: web.Request) -> web.Response:
        action = request.headers["X-Amz-Target"].rpartition(".")[2]
        if self._account.denies(f"cloudwatch:{action}"):
            return access_denied(f"cloudwatch:{action}")
        if action != "PutMetricData":
            return refusal("UnknownOperationException", "the sandbox knows PutMetricData only")
        try:
            given = _Request.model_validate_json(await request.read())
        except ValidationError as error:
            return refusal("InvalidParameterValue", str(error))
        for datum in given.MetricData:
            self._keep(given.Namespace, datum)
        return answer({})

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
