"""Our own metrics, published to CloudWatch."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from django.conf import settings

from .aws import read

#: What the application's role may publish in, and the stack's alarms look at.
NAMESPACE = "RSSystems/Notifications"


class Metric(NamedTuple):
    """One value of one moment."""

    name: str
    value: float
    unit: Literal["Count"]


def publish(metrics: Iterable[Metric], at: datetime) -> None:
    """Tell CloudWatch what was measured at that time. Raises DeliveryError."""
    dimensions = [{"Name": "Environment", "Value": settings.ENVIRONMENT}]
    data = [
        {
            "MetricName": metric.name,
            "Dimensions": dimensions,
            "Timestamp": at,
            "Value": metric.value,
            "Unit": metric.unit,
        }
        for metric in metrics
    ]
    client = read.client("cloudwatch", settings.AWS_SES_REGION_NAME)
    read.ask(client, "cloudwatch:PutMetricData", Namespace=NAMESPACE, MetricData=data)
