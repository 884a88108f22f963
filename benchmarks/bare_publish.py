"""Publish texts to SNS with boto3 and nothing else: what no queue can be faster than."""

import sys
from typing import Any

import boto3

from .message import phone

ATTRIBUTES: Any = {
    "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
    "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "RSSystems"},
    "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": "0.50"},
}
TEXT = (
    "R-1042 is approved: Redwood Freight unit 417, star break."
    " https://app.example.com/repairs/1042/"
)


def main(first: int, count: int) -> None:
    client = boto3.client("sns")
    for number in range(first, first + count):
        client.publish(PhoneNumber=phone(number), Message=TEXT, MessageAttributes=ATTRIBUTES)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
