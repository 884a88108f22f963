"""Reads what SNS logs about text messages in CloudWatch Logs: SNS posts no events about them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings

from ..exceptions import PermanentError
from .aws.client import READING
from .aws.read import Reader, understood


class Entry(NamedTuple):
    """One entry of a log group, and when it was written."""

    at: datetime
    text: str


def read(group: str, since: datetime) -> Iterator[list[Entry]]:
    """Yield the entries of a log group since that time by page; raises DeliveryError.

    A page may be empty although more follow. A group that does not exist has none: SNS makes it
    with the first message.
    """
    logs = Reader("logs", settings.AWS_SNS_REGION_NAME, READING, retry=True)
    since_ms = int(since.timestamp() * 1000)
    pages = logs.pages("logs:FilterLogEvents", logGroupName=group, startTime=since_ms)
    try:
        for page in pages:
            with understood("logs:FilterLogEvents"):
                entries = [_entry(each) for each in page["events"]]
            yield entries
    except PermanentError as error:
        if error.code != "ResourceNotFoundException":
            raise


def _entry(found: dict[str, Any]) -> Entry:
    return Entry(datetime.fromtimestamp(found["timestamp"] / 1000, UTC), found["message"])
