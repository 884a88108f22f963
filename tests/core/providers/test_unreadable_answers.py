"""Answers to what we read from AWS that are not AWS's: a proxy's page, half of one, nonsense."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps.core.exceptions import DeliveryError, TransientError
from apps.core.providers import delivery_logs, sqs, suppression_lists
from apps.core.providers.aws import read
from apps.core.providers.aws.errors import CallFailed, Cause
from apps.core.providers.aws.read import Reader
from tests.support.endpoint import Answer, Endpoint, running_endpoint

SERVICES = ("SQS", "SNS", "SESV2", "CLOUDWATCH_LOGS")
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/events"

CALLS: dict[str, Callable[[], Any]] = {
    "the event queue": lambda: list(sqs.receive(QUEUE_URL)),
    "SMS receipts": lambda: list(delivery_logs.read("group", timezone.now())),
    "SES's list": lambda: list(
        suppression_lists.suppressed(suppression_lists.ses(), timezone.now(), timezone.now())
    ),
    "SNS's list": lambda: list(suppression_lists.opted_out()),
    "one number of SNS's list": lambda: suppression_lists.is_opted_out("+12025550123"),
    "an opt-in": lambda: suppression_lists.opt_in("+12025550123"),
    "the quota": lambda: Reader("sesv2", "us-east-1").ask("ses:GetAccount"),
}
ANSWERS = {
    "a list": "[1, 2]",
    "null": "null",
    "nested for ever": "[" * 100_000,
    "another type": '{"Messages": 5, "events": [{"timestamp": 1e30}], '
    '"SuppressedDestinationSummaries": [{"EmailAddress": "a@b.example"}], "NextToken": 7}',
}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with running_endpoint(Answer(200, "")) as server:
        for service in SERVICES:
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
        monkeypatch.setattr(read, "SES_PAUSE_S", 0)
        sqs._reader.cache_clear()
        yield server
    sqs._reader.cache_clear()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_cannot_be_read_is_asked_for_again(
    endpoint: Endpoint, call: Callable[[], Any], answer: str
) -> None:
    endpoint.answer = Answer(200, answer)
    if call is CALLS["the quota"] and answer == ANSWERS["another type"]:
        # Nothing of an account's answer must be there.
        assert "SendQuota" not in call()
        return
    with pytest.raises(DeliveryError) as raised:
        call()
    assert type(raised.value) is TransientError


@pytest.mark.parametrize("answer", ["", "<html>Sign in to the network</html>"])
@pytest.mark.parametrize("name", ["SMS receipts", "SES's list", "SNS's list"])
def test_a_page_of_a_proxy_is_no_empty_list(endpoint: Endpoint, name: str, answer: str) -> None:
    endpoint.answer = Answer(200, answer)
    with pytest.raises(TransientError, match="cannot be read"):
        CALLS[name]()


def test_the_doctor_is_told_that_no_answer_could_be_read(endpoint: Endpoint) -> None:
    endpoint.answer = Answer(200, "null")
    client = Reader("sesv2", "us-east-1").client
    with pytest.raises(CallFailed, match="cannot be read") as raised:
        read.call(client, "GetAccount")
    assert raised.value.cause == Cause.NO_ANSWER
