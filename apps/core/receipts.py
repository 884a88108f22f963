"""What became of the text messages: SNS's delivery-status log, read and told as reports.

The shape is that of https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html. The log
names the message by the id that the call was answered with, and by nothing of ours: a text whose
call was never answered cannot be found in it.
"""

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone

from . import events, suppressions
from .events import fingerprint
from .models import Delivery, Mark, ProviderEvent
from .providers import delivery_logs
from .states import EventKind

logger = logging.getLogger(__name__)

PROVIDER = "sns"
#: What is read at the first time, and read again at each next, since entries may come into a log
#: group out of order.
FIRST_READ = timedelta(hours=72)
OVERLAP = timedelta(minutes=2)
#: The answers that say that another message to the number would fare no better.
_FOR_GOOD = (suppressions.OPTED_OUT, "invalid phone number", "blocked list", "blocked sms")
#: Undocumented, and seen: the account's own monthly limit at AWS.
_NO_QUOTA = "no quota left"


def read() -> list[Delivery]:
    """Read what is new in both log groups and apply it.

    Returns the deliveries that stand in for those which ended. Raises ChannelUnavailableError
    where AWS cannot be asked; the next call reads on from where this one came to.
    """
    group = settings.SMS_DELIVERY_LOG_GROUP
    return [*_read(group), *_read(f"{group}/Failure")]


def _read(group: str) -> list[Delivery]:
    mark = Mark.objects.filter(name=group).first()
    since = mark.at - OVERLAP if mark else timezone.now() - FIRST_READ
    stand_ins: list[Delivery] = []
    newest = since
    for entry in delivery_logs.read(group, since):
        newest = max(newest, entry.at)
        if report := parsed(entry.text):
            stand_ins += events.receive([report])
    if newest > since:
        Mark.objects.update_or_create(name=group, defaults={"at": newest})
    return stand_ins


def parsed(text: str) -> ProviderEvent | None:
    """One line of the log as a report, not saved; None for a line that is none."""
    try:
        return _report(json.loads(text))
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        logger.error("line of the SMS log is not understood: %s", type(error).__name__)
        return None


def _report(content: dict[str, Any]) -> ProviderEvent:
    delivery, status = content["delivery"], content["status"]
    message_id, answer = content["notification"]["messageId"], delivery["providerResponse"]
    failed = status != "SUCCESS"
    price = delivery.get("priceInUSD")
    if _NO_QUOTA in answer.lower():
        logger.error("SNS sends no more texts this month: its own spending limit is reached")
    return ProviderEvent(
        fingerprint=fingerprint(PROVIDER, message_id, status, answer),
        kind=EventKind.BOUNCED if failed else EventKind.DELIVERED,
        permanent=failed and any(words in answer.lower() for words in _FOR_GOOD),
        provider=PROVIDER,
        provider_message_id=message_id[:128],
        recipient=delivery["destination"][:320],
        code=delivery.get("phoneCarrier", "")[:64],
        detail=answer,
        price_usd=None if price is None else Decimal(str(price)),
        parts=delivery.get("numberOfMessageParts"),
        occurred_at=_moment(content["notification"]["timestamp"]),
    )


def _moment(text: str) -> datetime:
    # As in 2016-06-28 00:40:34.558, in UTC.
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
