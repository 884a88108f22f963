"""Metrics that a real boto3 client publishes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.testing import RunningSandbox, running_sandbox
from tests.support.clients import aws

pytestmark = pytest.mark.services

AT = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)


@pytest.fixture
def own() -> Iterator[RunningSandbox]:
    """Yield a sandbox without metrics."""
    with running_sandbox() as sandbox:
        yield sandbox


def datum(**changes: Any) -> dict[str, Any]:
    return {"MetricName": "QueueDepth", "Value": 1, "Unit": "Count", "Timestamp": AT} | changes


def put(sandbox: RunningSandbox, *data: dict[str, Any], namespace: str = "Ours") -> None:
    aws(sandbox, "cloudwatch").put_metric_data(Namespace=namespace, MetricData=list(data))


def test_the_newest_value_of_each_metric_is_kept(own: RunningSandbox) -> None:
    put(own, datum(Value=7))
    put(own, datum(Value=0.5), datum(Dimensions=[{"Name": "Environment", "Value": "staging"}]))
    first, second = own.metrics()
    assert first == {
        "namespace": "Ours",
        "name": "QueueDepth",
        "dimensions": {},
        "value": 0.5,
        "unit": "Count",
        "at": AT.isoformat(),
        "count": 2,
    }
    assert (second["dimensions"], second["count"]) == ({"Environment": "staging"}, 1)


@pytest.mark.parametrize(
    "changes", [{"Unit": "Pieces"}, {"Values": [1.0]}, {"StorageResolution": 1}]
)
def test_unsupported_parameters_are_refused(
    sandbox: RunningSandbox, changes: dict[str, Any]
) -> None:
    client = aws(sandbox, "cloudwatch")
    with pytest.raises(ClientError) as error:
        client.put_metric_data(Namespace="Ours", MetricData=[datum(**changes)])
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_a_denied_call_is_refused(sandbox: RunningSandbox) -> None:
    sandbox.account(denied=["cloudwatch:PutMetricData"])
    with pytest.raises(ClientError) as error:
        put(sandbox, datum())
    sandbox.reset_account()
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_another_action_of_cloudwatch_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(ClientError, match="the sandbox knows PutMetricData only"):
        aws(sandbox, "cloudwatch").list_metrics()
