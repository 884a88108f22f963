"""Opt-outs in SNS and SMS receipts in CloudWatch Logs, read by real boto3 clients."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from apps.core.providers.aws.simulator import NUMBERS
from sandbox.testing import RunningSandbox
from tests.support.clients import PHONE, ask, aws, send_text
from tools.processes import wait_until

GROUP = "sns/us-east-1/000000000000/DirectPublishToPhoneNumber"
FAILURES = f"{GROUP}/Failure"


def receipts(sandbox: RunningSandbox, group: str, **query: Any) -> list[dict[str, Any]]:
    """Read every page of the receipts."""
    pages = aws(sandbox, "logs").get_paginator("filter_log_events")
    return [
        json.loads(event["message"])
        for page in pages.paginate(logGroupName=group, **query)
        for event in page["events"]
    ]


def wait_for_receipt(sandbox: RunningSandbox, message_id: str, group: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        all_of_them = receipts(sandbox, group)
        return [each for each in all_of_them if each["notification"]["messageId"] == message_id]

    wait_until(lambda: bool(found()), "its receipt is there")
    [receipt] = found()
    return receipt


@pytest.fixture
def phone(sandbox: RunningSandbox) -> Any:
    yield PHONE
    ask(sandbox, f"/api/opt-outs/{PHONE}", "DELETE")


def test_a_text_has_a_receipt_of_success(sandbox: RunningSandbox) -> None:
    message_id = send_text(sandbox)

    receipt = wait_for_receipt(sandbox, message_id, GROUP)

    assert receipt["status"] == "SUCCESS"
    delivery = receipt["delivery"]
    assert delivery["destination"] == PHONE
    assert delivery["providerResponse"] == "Message has been accepted by phone carrier"
    assert delivery["numberOfMessageParts"] == 1
    assert delivery["priceInUSD"] == 0.00645
    assert delivery["smsType"] == "Promotional"
    assert delivery["dwellTimeMs"] >= 0
    [event] = sandbox.message(message_id)["events"]
    assert (event["type"], event["detail"]) == ("SUCCESS", delivery["providerResponse"])


def test_the_receipt_of_a_text_can_be_a_failure(sandbox: RunningSandbox) -> None:
    sandbox.rule(to=PHONE, times=1, events={"outcome": "bounce"})
    message_id = send_text(sandbox)

    receipt = wait_for_receipt(sandbox, message_id, FAILURES)

    assert receipt["status"] == "FAILURE"
    assert receipt["delivery"]["providerResponse"] == "Phone is currently unreachable/unavailable"


def test_only_a_simulator_number_for_failures_fails_by_itself(
    sandbox: RunningSandbox,
) -> None:
    success, failure = NUMBERS["GB"]
    wait_for_receipt(sandbox, send_text(sandbox, success), GROUP)
    receipt = wait_for_receipt(sandbox, send_text(sandbox, failure), FAILURES)
    assert receipt["delivery"]["providerResponse"] == "Phone has blocked SMS"

    sandbox.rule(to=failure, times=1, events={"outcome": "delivered"})
    wait_for_receipt(sandbox, send_text(sandbox, failure), GROUP)


def test_a_number_that_answers_stop_gets_no_later_text(sandbox: RunningSandbox, phone: str) -> None:
    sandbox.rule(to=phone, times=1, events={"outcome": "opt_out"})
    sns = aws(sandbox)

    first = send_text(sandbox)
    assert sns.check_if_phone_number_is_opted_out(phoneNumber=phone)["isOptedOut"] is True
    second = send_text(sandbox)

    assert wait_for_receipt(sandbox, first, GROUP)["status"] == "SUCCESS"
    refused = wait_for_receipt(sandbox, second, FAILURES)
    assert refused["delivery"]["providerResponse"] == "Phone number is opted out"

    sns.opt_in_phone_number(phoneNumber=phone)
    assert sns.check_if_phone_number_is_opted_out(phoneNumber=phone)["isOptedOut"] is False
    assert wait_for_receipt(sandbox, send_text(sandbox), GROUP)["status"] == "SUCCESS"


def test_opt_outs_are_listed_a_hundred_at_a_time(sandbox: RunningSandbox) -> None:
    numbers = [f"+1202555{number:04d}" for number in range(150)]
    for number in numbers:
        answer, said = ask(sandbox, "/api/opt-outs", "POST", json.dumps({"phone": number}))
        assert (answer.status, said) == (201, {"phone": number})

    first = aws(sandbox).list_phone_numbers_opted_out()
    pages = aws(sandbox).get_paginator("list_phone_numbers_opted_out").paginate()

    assert len(first["phoneNumbers"]) == 100
    assert [number for page in pages for number in page["phoneNumbers"]] == numbers
    for number in numbers:
        assert ask(sandbox, f"/api/opt-outs/{number}", "DELETE")[0].status == 204
    assert aws(sandbox).list_phone_numbers_opted_out()["phoneNumbers"] == []
    assert ask(sandbox, f"/api/opt-outs/{numbers[0]}", "DELETE")[0].status == 404


@pytest.mark.parametrize("body", ["", "[]", '{"phone": "12"}', '{"phone": 12}', '{"number": "+1"}'])
def test_an_opt_out_of_an_invalid_number_is_refused(sandbox: RunningSandbox, body: str) -> None:
    assert ask(sandbox, "/api/opt-outs", "POST", body)[0].status == 400


@pytest.mark.parametrize("action", ["check_if_phone_number_is_opted_out", "opt_in_phone_number"])
def test_sns_refuses_questions_about_an_invalid_number(
    sandbox: RunningSandbox, action: str
) -> None:
    sns = aws(sandbox)
    with pytest.raises(sns.exceptions.InvalidParameterException):
        getattr(sns, action)(phoneNumber="12")


def test_a_receipt_can_be_late_or_twice_or_missing(sandbox: RunningSandbox) -> None:
    sandbox.rule(times=1, events={"outcome": "none"})
    silent = send_text(sandbox)
    sandbox.rule(times=1, events={"timing": "late", "late_s": 0.7, "copies": 2})
    started = time.monotonic()
    late = send_text(sandbox)

    def ids() -> list[str]:
        return [each["notification"]["messageId"] for each in receipts(sandbox, GROUP)]

    wait_until(lambda: late in ids(), "the late one is there")
    assert time.monotonic() - started >= 0.7
    assert ids().count(late) == 2
    assert silent not in ids()


def test_receipts_are_read_by_time_and_by_page(sandbox: RunningSandbox) -> None:
    ids = [send_text(sandbox) for _ in range(5)]
    for message_id in ids:
        wait_for_receipt(sandbox, message_id, GROUP)
    logs = aws(sandbox, "logs")
    whole = logs.filter_log_events(logGroupName=GROUP)["events"][-5:]
    first, last = whole[0]["timestamp"], whole[-1]["timestamp"]

    def read(**query: Any) -> list[str]:
        found = receipts(sandbox, GROUP, **query)
        return [each["notification"]["messageId"] for each in found]

    assert read(startTime=first, endTime=last, PaginationConfig={"PageSize": 2})[-5:] == ids
    assert read(startTime=last + 1) == []
    assert set(read(endTime=first - 1)).isdisjoint(ids)
    page = logs.filter_log_events(logGroupName=GROUP, startTime=first, limit=1)
    assert len(page["events"]) == 1
    assert page["nextToken"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"logGroupName": "sns/us-east-1/1/Other"}, "ResourceNotFoundException"),
        ({"logGroupName": GROUP, "filterPattern": "FAILURE"}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "nextToken": "nonsense"}, "InvalidParameterException"),
    ],
)
def test_a_log_query_with_unsupported_parameters_is_refused(
    sandbox: RunningSandbox, query: dict[str, str], code: str
) -> None:
    with pytest.raises(ClientError) as raised:
        aws(sandbox, "logs").filter_log_events(**query)

    assert raised.value.response["Error"]["Code"] == code


def test_another_action_of_cloudwatch_logs_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(ClientError) as raised:
        aws(sandbox, "logs").describe_log_groups()

    assert raised.value.response["Error"]["Code"] == "UnknownOperationException"
