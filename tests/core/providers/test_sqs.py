"""The Region and the endpoint of a queue, by the form of its URL."""

from typing import Any

import pytest

from apps.core.providers import sqs

PUBLIC = "https://sqs.{}.amazonaws.com"
VPC_ENDPOINT = "https://vpce-0a1b2c3d-4e5f6a7b.sqs.us-east-1.vpce.amazonaws.com"


@pytest.mark.parametrize(
    ("origin", "region", "asked_at"),
    [
        ("https://sqs.eu-west-1.amazonaws.com", "eu-west-1", PUBLIC.format("eu-west-1")),
        ("https://sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", None),
        ("https://queue.amazonaws.com", "us-east-1", PUBLIC.format("us-east-1")),
        ("https://eu-west-1.queue.amazonaws.com", "eu-west-1", PUBLIC.format("eu-west-1")),
        ("https://sqs-fips.us-east-2.amazonaws.com", "us-east-2", "itself"),
        ("https://sqs.us-east-2.api.aws", "us-east-2", "itself"),
        (VPC_ENDPOINT, "us-east-1", "itself"),
        ("https://queues.fleet.example:8443", "ap-south-1", "itself"),
    ],
)
def test_each_form_of_a_queue_url_has_its_region_and_endpoint(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    origin: str,
    region: str,
    asked_at: str | None,
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    settings.AWS_SES_REGION_NAME = "ap-south-1"
    made = sqs._reader.__wrapped__(f"{origin}/123456789012/events").client.meta
    assert made.region_name == region
    assert asked_at is None or made.endpoint_url == (origin if asked_at == "itself" else asked_at)


def test_an_endpoint_of_the_environment_goes_before_that_of_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9324")
    assert sqs.locate(f"{VPC_ENDPOINT}/123456789012/events").endpoint is None
