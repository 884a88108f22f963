"""Reads the SQS queue in which a topic's messages wait."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from ..exceptions import ChannelUnavailableError
from .aws.client import READING
from .aws.read import Reader

#: Seconds that SQS waits for a message if the queue is empty
#: (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html).
WAIT_S = 1
#: Seconds for which a received message is hidden from other readers.
HIDDEN_S = 60
BATCH = 10

_RECEIVE = {
    "MaxNumberOfMessages": BATCH,
    "WaitTimeSeconds": WAIT_S,
    "VisibilityTimeout": HIDDEN_S,
}


class QueuedMessage(NamedTuple):
    """A received message; `handle` is what it is deleted by."""

    body: str
    handle: str


def receive(queue_url: str) -> Iterator[QueuedMessage]:
    """Yield the messages of the queue until it is empty; raises DeliveryError.

    A message that is not deleted comes again after HIDDEN_S. After too many times the queue's
    redrive policy moves it to the dead letters.
    """
    while messages := _ask("sqs:ReceiveMessage", queue_url, **_RECEIVE).get("Messages"):
        for message in messages:
            yield QueuedMessage(message["Body"], message["ReceiptHandle"])


def delete(queue_url: str, message: QueuedMessage) -> None:
    """Delete a message that is stored; raises DeliveryError."""
    _ask("sqs:DeleteMessage", queue_url, ReceiptHandle=message.handle)


def _ask(permission: str, queue_url: str, **parameters: Any) -> dict[str, Any]:
    try:
        return _reader(queue_url).ask(permission, QueueUrl=queue_url, **parameters)
    except ChannelUnavailableError:
        # The machine may be given credentials meanwhile.
        _reader.cache_clear()
        raise


@cache
def _reader(queue_url: str) -> Reader:
    # https://sqs.us-east-1.amazonaws.com/123456789012/name
    region = queue_url.split(".")[1] if queue_url.startswith("https://sqs.") else None
    return Reader("sqs", region, READING, retry=True)
