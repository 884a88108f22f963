"""What SNS writes about text messages, in CloudWatch Logs: it posts no events about them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore import exceptions as aws
from botocore.config import Config
from django.conf import settings

from ..exceptions import ChannelUnavailableError
from .aws import session

#: Reading is harmless to repeat, so here boto3's own retries are welcome.
CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})


class Entry(NamedTuple):
    """One line of a log group, and when it was written."""

    at: datetime
    text: str


def read(group: str, since: datetime) -> Iterator[Entry]:
    """The entries of a log group from that time on, in the order in which AWS gives them.

    A group that does not exist has none: SNS makes it with the first message. Raises
    ChannelUnavailableError.
    """
    try:
        client: Any = session.new().create_client(
            "logs", region_name=settings.AWS_SNS_REGION_NAME, config=CONFIG
        )
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since.timestamp() * 1000)
        )
        for page in pages:
            for event in page["events"]:
                yield Entry(
                    datetime.fromtimestamp(event["timestamp"] / 1000, UTC), event["message"]
                )
    except aws.ClientError as error:
        if error.response["Error"].get("Code") == "ResourceNotFoundException":
            return
        raise ChannelUnavailableError(str(error)) from error
    except (aws.BotoCoreError, ValueError) as error:
        raise ChannelUnavailableError(str(error)) from error
