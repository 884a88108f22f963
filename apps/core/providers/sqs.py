"""The SQS queue in which a topic's messages wait until they are read."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from botocore import exceptions as aws
from botocore.config import Config

from ..exceptions import ChannelUnavailableError
from .aws import session

CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
#: Seconds that SQS waits for a message where there is none
#: (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html).
WAIT_S = 1
#: Seconds for which a message that was received is kept from others.
HIDDEN_S = 60
BATCH = 10


class QueuedMessage(NamedTuple):
    """`receipt` is what it is deleted by."""

    body: str
    receipt: str


def receive(queue_url: str) -> Iterator[QueuedMessage]:
    """The messages of the queue until it gives none; raises ChannelUnavailableError.

    A message that is not deleted comes again after HIDDEN_S, and when it came too often for the
    queue's own rule it goes to its dead letters.
    """
    while messages := _call("receive_message", queue_url, **_RECEIVE).get("Messages"):
        for message in messages:
            yield QueuedMessage(message["Body"], message["ReceiptHandle"])


def delete(queue_url: str, message: QueuedMessage) -> None:
    """Have the queue forget a message that is stored; raises ChannelUnavailableError."""
    _call("delete_message", queue_url, ReceiptHandle=message.receipt)


_RECEIVE = {
    "MaxNumberOfMessages": BATCH,
    "WaitTimeSeconds": WAIT_S,
    "VisibilityTimeout": HIDDEN_S,
}


def _call(action: str, queue_url: str, **parameters: Any) -> Any:
    try:
        return getattr(_client(queue_url), action)(QueueUrl=queue_url, **parameters)
    except (aws.ClientError, aws.BotoCoreError, ValueError) as error:
        raise ChannelUnavailableError(str(error), code=type(error).__name__) from error


@cache
def _client(queue_url: str) -> Any:
    # https://sqs.us-east-1.amazonaws.com/123456789012/name
    region = queue_url.split(".")[1] if queue_url.startswith("https://sqs.") else None
    return session.new().create_client("sqs", region_name=region, config=CONFIG)
