from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from botocore.exceptions import ClientError

from sandbox.testing import RunningSandbox
from tests.support.clients import aws

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

PHONE = "+15551234567"


@pytest.fixture
def sns(sandbox: RunningSandbox) -> SNSClient:
    client: SNSClient = aws(sandbox)
    return client


def refusal(error: ClientError) -> tuple[int, str, str]:
    answer = error.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def test_publish_answers_with_the_id_of_the_stored_text(
    sandbox: RunningSandbox, sns: SNSClient
) -> None:
    answer = sns.publish(PhoneNumber=PHONE, Message="Your repair is ready & waiting: 10 €")

    assert UUID(answer["MessageId"])
    assert UUID(answer["ResponseMetadata"]["RequestId"])
    kept = sandbox.message(answer["MessageId"])
    assert kept["phone"] == PHONE
    assert kept["body"] == "Your repair is ready & waiting: 10 €"
    assert kept["sender_id"] is None
    assert kept["sms_type"] is None
    assert kept["max_price"] is None


def test_the_sms_attributes_are_recorded(sandbox: RunningSandbox, sns: SNSClient) -> None:
    sns.publish(
        PhoneNumber=PHONE,
        Message="Ready.",
        MessageAttributes={
            "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "RS-Systems"},
            "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
            "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": "0.50"},
        },
    )

    [kept] = sandbox.messages()
    assert kept["sender_id"] == "RS-Systems"
    assert kept["sms_type"] == "Transactional"
    assert kept["max_price"] == 0.5


@pytest.mark.parametrize(
    ("text", "encoding", "parts", "price"),
    [
        ("a" * 160, "GSM-7", 1, 0.00645),
        ("a" * 161, "GSM-7", 2, 0.0129),
        ("я" * 70, "UCS-2", 1, 0.00645),
        ("я" * 71, "UCS-2", 2, 0.0129),
        ("a" * 400, "GSM-7", 3, 0.01935),
    ],
)
def test_a_text_is_priced_by_its_parts(
    sandbox: RunningSandbox, sns: SNSClient, text: str, encoding: str, parts: int, price: float
) -> None:
    sns.publish(PhoneNumber=PHONE, Message=text)

    [kept] = sandbox.messages()
    assert (kept["encoding"], kept["parts"], kept["price_usd"]) == (encoding, parts, price)


@pytest.mark.parametrize(
    "phone", ["", "5551234567", "+05551234567", "+1 555 123 4567", "+1555", "+1234567890123456"]
)
def test_a_number_that_is_not_e164_is_an_invalid_parameter(
    sandbox: RunningSandbox, sns: SNSClient, phone: str
) -> None:
    with pytest.raises(sns.exceptions.InvalidParameterException) as raised:
        sns.publish(PhoneNumber=phone, Message="Ready.")

    assert refusal(raised.value) == (
        400,
        "InvalidParameter",
        f"Invalid parameter: PhoneNumber Reason: {phone} is not valid to publish to",
    )
    assert sandbox.messages() == []


def test_a_refusal_is_valid_xml_for_any_number(sns: SNSClient) -> None:
    with pytest.raises(sns.exceptions.InvalidParameterException) as raised:
        sns.publish(PhoneNumber="<&>\x00\x0b", Message="Ready.")

    assert "PhoneNumber Reason: <&>?? is not valid" in refusal(raised.value)[2]


def test_a_call_without_a_number_is_an_invalid_parameter(sns: SNSClient) -> None:
    with pytest.raises(sns.exceptions.InvalidParameterException):
        sns.publish(TopicArn="arn:aws:sns:us-east-1:000000000000:topic", Message="Ready.")


def test_an_empty_message_is_an_invalid_parameter(sandbox: RunningSandbox, sns: SNSClient) -> None:
    with pytest.raises(sns.exceptions.InvalidParameterException) as raised:
        sns.publish(PhoneNumber=PHONE, Message="")

    assert refusal(raised.value) == (
        400,
        "InvalidParameter",
        "Invalid parameter: Empty message",
    )
    assert sandbox.messages() == []


def test_a_message_may_have_1600_characters_and_no_more(
    sandbox: RunningSandbox, sns: SNSClient
) -> None:
    sns.publish(PhoneNumber=PHONE, Message="é" * 1_600)
    with pytest.raises(sns.exceptions.InvalidParameterException):
        sns.publish(PhoneNumber=PHONE, Message="é" * 1_601)

    assert len(sandbox.messages()) == 1


@pytest.mark.parametrize("sender_id", ["RSX", "R-1", "Abcdefghij1"])
def test_a_sender_id_of_3_to_11_characters_is_accepted(
    sandbox: RunningSandbox, sns: SNSClient, sender_id: str
) -> None:
    sns.publish(
        PhoneNumber=PHONE,
        Message="Ready.",
        MessageAttributes={
            "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": sender_id}
        },
    )

    assert sandbox.messages()[0]["sender_id"] == sender_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SenderID", "RS"),
        ("SenderID", "RS Systems"),
        ("SenderID", "RS_Systems"),
        ("SenderID", "12345"),
        ("SenderID", "Abcdefghij12"),
        ("SenderID", "Müller"),
        ("MaxPrice", "cheap"),
        ("MaxPrice", "NaN"),
        ("MaxPrice", "-1"),
    ],
)
def test_a_bad_sms_attribute_is_an_invalid_parameter(
    sandbox: RunningSandbox, sns: SNSClient, name: str, value: str
) -> None:
    with pytest.raises(sns.exceptions.InvalidParameterException) as raised:
        sns.publish(
            PhoneNumber=PHONE,
            Message="Ready.",
            MessageAttributes={f"AWS.SNS.SMS.{name}": {"DataType": "String", "StringValue": value}},
        )

    assert f"AWS.SNS.SMS.{name}" in refusal(raised.value)[2]
    assert sandbox.messages() == []


def test_any_other_action_is_invalid(sns: SNSClient) -> None:
    with pytest.raises(ClientError) as raised:
        sns.list_topics()

    assert refusal(raised.value) == (
        400,
        "InvalidAction",
        "The action ListTopics is not valid for this endpoint.",
    )
