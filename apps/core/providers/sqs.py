"""Reads the SQS queue in which a topic's messages wait."""

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from ..exceptions import ChannelUnavailableError
from .aws.client import READING
from .aws.read import Reader, understood

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


_REGION = r"([a-z]{2,4}(?:-[a-z]+)+-[0-9])"
_PUBLIC_HOST = re.compile(rf"sqs\.{_REGION}\.amazonaws\.com(?:\.cn)?")
_OLDER_HOST = re.compile(rf"{_REGION}\.queue\.amazonaws\.com")
_REGION_IN_HOST = re.compile(rf"(?:^|\.)sqs(?:-fips)?\.{_REGION}\.")


class Location(NamedTuple):
    """Where a queue is; `endpoint` is None for the Region's public one."""

    region: str
    endpoint: str | None = None


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
        with understood("sqs:ReceiveMessage"):
            received = [QueuedMessage(each["Body"], each["ReceiptHandle"]) for each in messages]
        yield from received


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
    queue = locate(queue_url)
    return Reader("sqs", queue.region, READING, retry=True, endpoint=queue.endpoint)


def locate(queue_url: str) -> Location:
    """Return the Region of a queue and the endpoint at which to ask for it.

    AWS gives URLs of several forms
    (https://docs.aws.amazon.com/general/latest/gr/sqs-service.html): the present and two older
    ones of the public endpoint, and those of FIPS, IPv6 and VPC endpoints. Only the latter must be
    asked at their own host, which botocore does not do by itself.
    """
    url = urlsplit(queue_url)
    host = (url.hostname or "").lower()
    if host.startswith("queue.amazonaws."):
        return Location("us-east-1")
    if older := _OLDER_HOST.match(host):
        return Location(older[1])
    if present := _PUBLIC_HOST.fullmatch(host):
        return Location(present[1])
    named = _REGION_IN_HOST.search(host)
    region = named[1] if named else settings.AWS_SES_REGION_NAME
    return Location(region, None if _has_override() else f"{url.scheme}://{url.netloc}")


def _has_override() -> bool:
    return any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"))
