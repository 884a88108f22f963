"""The AWS account, read by real boto3 clients."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from sandbox.arns import TOPIC as ARN
from sandbox.testing import RunningSandbox
from tests.support.clients import aws

DOMAIN, CONFIGURATION_SET = "rssystems.com", "rs-systems-notifications"


@pytest.fixture(autouse=True)
def healthy(sandbox: RunningSandbox) -> Iterator[None]:
    yield
    sandbox.reset_account()


def refusal(error: "pytest.ExceptionInfo[ClientError]") -> str:
    return str(error.value.response["Error"]["Code"])


def test_the_account_is_out_of_ses_s_sandbox_and_may_send(sandbox: RunningSandbox) -> None:
    account = aws(sandbox, "sesv2").get_account()
    assert account["ProductionAccessEnabled"] is account["SendingEnabled"] is True
    assert account["EnforcementStatus"] == "HEALTHY"
    quota = account["SendQuota"]
    assert (quota["Max24HourSend"], quota["MaxSendRate"]) == (50_000.0, 14.0)


def test_the_domain_is_verified_signed_and_has_a_mail_from(sandbox: RunningSandbox) -> None:
    identity = aws(sandbox, "sesv2").get_email_identity(EmailIdentity=DOMAIN)
    assert identity["VerifiedForSendingStatus"] is True
    assert identity["DkimAttributes"]["Status"] == "SUCCESS"
    assert len(identity["DkimAttributes"]["Tokens"]) == 3
    assert identity["MailFromAttributes"]["MailFromDomain"] == "mail.rssystems.com"


def test_the_configuration_set_publishes_every_outcome_to_the_topic(
    sandbox: RunningSandbox,
) -> None:
    ses = aws(sandbox, "sesv2")
    name = {"ConfigurationSetName": CONFIGURATION_SET}
    assert ses.get_configuration_set(**name)["SendingOptions"] == {"SendingEnabled": True}
    [destination] = ses.get_configuration_set_event_destinations(**name)["EventDestinations"]
    assert destination["Enabled"]
    assert destination["SnsDestination"] == {"TopicArn": ARN}
    assert {"BOUNCE", "COMPLAINT", "DELIVERY"} < set(destination["MatchingEventTypes"])


def test_unknown_names_are_not_found(sandbox: RunningSandbox) -> None:
    ses, sns = aws(sandbox, "sesv2"), aws(sandbox, "sns")
    with pytest.raises(ClientError) as error:
        ses.get_email_identity(EmailIdentity="example.com")
    assert refusal(error) == "NotFoundException"
    with pytest.raises(ClientError) as error:
        ses.get_configuration_set(ConfigurationSetName="other")
    assert refusal(error) == "NotFoundException"
    with pytest.raises(ClientError) as error:
        sns.get_topic_attributes(TopicArn=f"{ARN}-other")
    assert refusal(error) == "NotFound"


def test_suppressed_addresses_are_listed_in_pages(sandbox: RunningSandbox) -> None:
    sandbox.account(suppressed=[f"{n}@customer.example" for n in range(3)])
    ses = aws(sandbox, "sesv2")
    first = ses.list_suppressed_destinations(PageSize=2)
    second = ses.list_suppressed_destinations(PageSize=2, NextToken=first["NextToken"])
    found = first["SuppressedDestinationSummaries"] + second["SuppressedDestinationSummaries"]
    assert [each["EmailAddress"] for each in found] == [f"{n}@customer.example" for n in range(3)]
    assert "NextToken" not in second


def test_a_topic_without_a_signature_version_signs_by_version_1(sandbox: RunningSandbox) -> None:
    sns = aws(sandbox)
    assert sns.get_topic_attributes(TopicArn=ARN)["Attributes"]["SignatureVersion"] == "2"
    sandbox.account(signature_version="1")
    assert "SignatureVersion" not in sns.get_topic_attributes(TopicArn=ARN)["Attributes"]


def test_the_topic_has_no_subscription_until_there_is_an_endpoint(sandbox: RunningSandbox) -> None:
    sns = aws(sandbox)
    assert sns.list_subscriptions_by_topic(TopicArn=ARN)["Subscriptions"] == []
    sandbox.account(subscription_endpoint="https://app.example.com/webhooks/aws/sns")
    [subscription] = sns.list_subscriptions_by_topic(TopicArn=ARN)["Subscriptions"]
    assert subscription["Protocol"] == "https"
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
    assert attributes["Attributes"]["RawMessageDelivery"] == "false"


def test_an_unconfirmed_subscription_has_no_arn(sandbox: RunningSandbox) -> None:
    sandbox.account(subscription_endpoint="https://x.example/", subscription_confirmed=False)
    [subscription] = aws(sandbox).list_subscriptions_by_topic(TopicArn=ARN)["Subscriptions"]
    assert subscription["SubscriptionArn"] == "PendingConfirmation"


def test_sms_attributes_can_be_set_and_read(sandbox: RunningSandbox) -> None:
    sns = aws(sandbox)
    sns.set_sms_attributes(attributes={"MonthlySpendLimit": "5", "DefaultSenderID": "RSSystems"})
    attributes = sns.get_sms_attributes()["attributes"]
    assert (attributes["MonthlySpendLimit"], attributes["DefaultSenderID"]) == ("5", "RSSystems")
    assert attributes["DefaultSMSType"] == "Transactional"
    with pytest.raises(ClientError, match="Limit is not an SMS attribute"):
        sns.set_sms_attributes(attributes={"Limit": "5"})
    assert sns.get_sms_sandbox_account_status()["IsInSandbox"] is False


def test_the_caller_and_the_age_of_its_access_key_can_be_read(sandbox: RunningSandbox) -> None:
    sandbox.account(access_key_age_days=100)
    assert aws(sandbox, "sts").get_caller_identity()["Arn"].endswith(":user/sandbox")
    [key] = aws(sandbox, "iam").list_access_keys()["AccessKeyMetadata"]
    age = datetime.now(UTC) - key["CreateDate"]
    assert timedelta(days=99) < age < timedelta(days=101)


@pytest.mark.parametrize(
    ("service", "call", "action"),
    [
        ("sesv2", "get_account", "ses:GetAccount"),
        ("sns", "get_sms_attributes", "sns:GetSMSAttributes"),
        ("sts", "get_caller_identity", "sts:GetCallerIdentity"),
        ("iam", "list_access_keys", "iam:ListAccessKeys"),
    ],
)
def test_an_action_can_be_denied(
    sandbox: RunningSandbox, service: str, call: str, action: str
) -> None:
    sandbox.account(denied=[action])
    with pytest.raises(ClientError, match=f"not authorized to perform: {action}") as error:
        getattr(aws(sandbox, service), call)()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def ask(sandbox: RunningSandbox, method: str, body: str = "") -> Any:
    request = Request(f"{sandbox.url}/api/account", body.encode() or None, method=method)
    with urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or "null")


def test_a_change_keeps_other_fields_until_a_reset(sandbox: RunningSandbox) -> None:
    before = ask(sandbox, "GET")
    assert ask(sandbox, "PATCH", '{"max_send_rate": 1}') == before | {"max_send_rate": 1}
    ask(sandbox, "DELETE")
    assert ask(sandbox, "GET") == before


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{", "Expecting property name"),
        ("[]", "the body must be a JSON object"),
        ('{"max_rate": 1}', "max_rate is not a field; the fields are denied,"),
        ('{"max_send_rate": "1"}', "max_send_rate must be a valid number"),
        ('{"dkim_status": "GONE"}', "dkim_status must be 'PENDING'"),
    ],
)
def test_an_invalid_change_is_refused_with_a_sentence(
    sandbox: RunningSandbox, body: str, sentence: str
) -> None:
    with pytest.raises(HTTPError) as refused:
        ask(sandbox, "PATCH", body)
    assert sentence in json.loads(refused.value.read())["error"]


REQUEST = {
    "MailType": "TRANSACTIONAL",
    "WebsiteURL": "https://rssystems.example",
    "UseCaseDescription": "Repairs.",
    "ProductionAccessEnabled": True,
}


def test_production_access_is_requested_once_and_reviewed(sandbox: RunningSandbox) -> None:
    sandbox.account(production_access=False, review_status="")
    ses = aws(sandbox, "sesv2")
    assert "Details" not in ses.get_account()
    ses.put_account_details(**REQUEST)
    account = ses.get_account()
    assert account["ProductionAccessEnabled"] is False
    assert account["Details"]["UseCaseDescription"] == "Repairs."
    assert account["Details"]["ReviewDetails"]["Status"] == "PENDING"
    with pytest.raises(ClientError) as error:
        ses.put_account_details(**REQUEST)
    assert refusal(error) == "ConflictException"
    sandbox.account(review_status="DENIED")
    assert ses.get_account()["Details"]["ReviewDetails"]["Status"] == "DENIED"
    ses.put_account_details(**REQUEST)


def test_details_without_a_request_open_no_review(sandbox: RunningSandbox) -> None:
    sandbox.account(production_access=False, review_status="")
    ses = aws(sandbox, "sesv2")
    ses.put_account_details(**REQUEST | {"ProductionAccessEnabled": False})
    assert "Details" not in ses.get_account()
    assert sandbox.account()["details"]["WebsiteURL"] == "https://rssystems.example"


@pytest.mark.parametrize("limit", ["11", "ten"])
def test_a_spending_limit_above_the_quota_is_refused(sandbox: RunningSandbox, limit: str) -> None:
    sandbox.account(sms_spend_quota=10)
    sns = aws(sandbox)
    with pytest.raises(ClientError) as error:
        sns.set_sms_attributes(
            attributes={"DefaultSMSType": "Promotional", "MonthlySpendLimit": limit}
        )
    assert refusal(error) == "InvalidParameter"
    assert sns.get_sms_attributes()["attributes"]["DefaultSMSType"] == "Transactional"


def test_suppressed_addresses_are_filtered_by_time(sandbox: RunningSandbox) -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    sandbox.account(
        suppressed=[
            {"address": f"{n}@customer.example", "at": (at + timedelta(days=n)).isoformat()}
            for n in range(4)
        ]
    )
    found = aws(sandbox, "sesv2").list_suppressed_destinations(
        StartDate=at, EndDate=at + timedelta(days=3)
    )["SuppressedDestinationSummaries"]
    assert [each["EmailAddress"] for each in found] == ["1@customer.example", "2@customer.example"]
    assert found[0]["LastUpdateTime"] == at + timedelta(days=1)


def test_an_address_is_unsuppressed_by_its_exact_spelling(sandbox: RunningSandbox) -> None:
    sandbox.account(suppressed=["Gone+a@customer.example"])
    ses = aws(sandbox, "sesv2")
    with pytest.raises(ClientError) as error:
        ses.delete_suppressed_destination(EmailAddress="gone+a@customer.example")
    assert refusal(error) == "NotFoundException"
    ses.delete_suppressed_destination(EmailAddress="Gone+a@customer.example")
    assert ses.list_suppressed_destinations()["SuppressedDestinationSummaries"] == []
    sandbox.account(denied=["ses:DeleteSuppressedDestination"])
    with pytest.raises(ClientError) as error:
        ses.delete_suppressed_destination(EmailAddress="Gone+a@customer.example")
    assert refusal(error) == "AccessDeniedException"
