"""Publishes our own metrics to CloudWatch."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from django.conf import settings

from .aws.read import Reader

#: The namespace that the application's role may publish in and that the stack's alarms read.
NAMESPACE = "RSSystems/Notifications"


class Metric(NamedTuple):
    """One measured value."""

    name: str
    value: float
    unit: Literal["Count"]


def publish(metrics: Iterable[Metric], at: datetime) -> None:
    """Publish what was measured at that time; raises DeliveryError."""
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
    cloudwatch = Reader("cloudwatch", settings.AWS_SES_REGION_NAME)
    cloudwatch.ask("cloudwatch:PutMetricData", Namespace=NAMESPACE, MetricData=data)
