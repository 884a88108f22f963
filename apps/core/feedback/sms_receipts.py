"""Read the SMS receipts of SNS's delivery-status log and apply them as events.

The shape is that of https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html. A receipt
has SNS's message ID and no ID of ours. It cannot be matched if the call was never answered.
"""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from apps.core.models import Delivery, Mark, ProviderEvent
from apps.core.providers import delivery_logs
from apps.core.providers.aws.simulator import SIMULATED
from apps.core.states import EventCause, EventKind, Via

from . import json_text, provider_events
from .provider_events import fingerprint
from .set_aside import POISON, set_aside

logger = logging.getLogger(__name__)

PROVIDER = "sns"
#: How far back the first run reads, and how much each later run reads again: receipts may come
#: late and out of order.
FIRST_READ = timedelta(hours=72)
OVERLAP = timedelta(minutes=30)
#: Seconds after which a run ends although there is more. The next run continues.
RUN_S = 20.0
BATCH = 200
#: SNS's words, in lower case, for a number that no text will reach.
_LASTING = ("invalid phone number", "blocked list", "blocked sms")
_OPTED_OUT = "opted out"
#: Not documented, but seen: the account's own monthly limit at AWS.
_NO_QUOTA = "no quota left"

Word = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Notification(BaseModel):
    message_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        alias="messageId"
    )
    #: As in 2016-06-28 00:40:34.558, in UTC.
    timestamp: datetime


class _Delivery(BaseModel):
    destination: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    answer: Word = Field(alias="providerResponse")
    carrier: str | None = Field(None, alias="phoneCarrier")
    parts: Annotated[int, Field(ge=0, le=255)] | None = Field(None, alias="numberOfMessageParts")
    price: Annotated[Decimal, Field(ge=0, lt=1000)] | None = Field(None, alias="priceInUSD")


class _Receipt(BaseModel):
    notification: _Notification
    delivery: _Delivery
    status: Word


def read() -> list[Delivery]:
    """Read and apply the new receipts of both log groups.

    Return the deliveries that stand in for those that ended. Raise DeliveryError if AWS cannot be
    asked; the next call continues where this one ended.
    """
    group = settings.SMS_DELIVERY_LOG_GROUP
    return [*_read(group), *_read(f"{group}/Failure")]


def _read(group: str) -> list[Delivery]:
    until = time.monotonic() + RUN_S
    reached = _start(group)
    stand_ins: list[Delivery] = []
    for batch in _batches(delivery_logs.read(group, reached)):
        for event, text in _new_events(batch):
            stand_ins += _apply(event, text)
        newest = max((entry.at for entry in batch), default=reached)
        reached = max(reached, min(newest, timezone.now()))
        if time.monotonic() > until:
            Mark.objects.advance(_cut(group), reached)
            return stand_ins
    Mark.objects.advance(group, reached)
    Mark.objects.filter(name=_cut(group)).delete()
    return stand_ins


def _batches(pages: Iterator[list[delivery_logs.Entry]]) -> Iterator[list[delivery_logs.Entry]]:
    """Yield the entries in batches; an empty page is an empty batch, so that time is looked at."""
    for page in pages:
        for start in range(0, max(len(page), 1), BATCH):
            yield page[start : start + BATCH]


def _start(group: str) -> datetime:
    """Return the time to read from: where a cut run ended, else before the mark."""
    marks = dict(Mark.objects.filter(name__in=[group, _cut(group)]).values_list("name", "at"))
    if cut := marks.get(_cut(group)):
        return cut
    mark = marks.get(group)
    return mark - OVERLAP if mark else timezone.now() - FIRST_READ


def _cut(group: str) -> str:
    """Return the name of the mark at which a run was cut; `group` marks complete readings."""
    return f"{group} cut"


def _new_events(entries: list[delivery_logs.Entry]) -> list[tuple[ProviderEvent, str]]:
    """Return the events that are not stored yet, each with the text of its receipt."""
    events = {}
    for entry in entries:
        try:
            event = parse(entry.text)
        except ValueError as error:
            set_aside(entry.text, Via.LOG, error)
        else:
            events[event.fingerprint] = event, entry.text
    known = ProviderEvent.objects.filter(fingerprint__in=events)
    for each in known.values_list("fingerprint", flat=True):
        del events[each]
    return list(events.values())


def _apply(event: ProviderEvent, text: str) -> list[Delivery]:
    try:
        return provider_events.receive([event])
    except POISON as error:
        # It must not stop those after it, now and at each later run.
        set_aside(text, Via.LOG, error)
    except IntegrityError as error:
        logger.error("SMS receipt not stored: %s", type(error).__name__)
    return []


def parse(text: str) -> ProviderEvent:
    """Return one receipt as an event, unsaved; raise ValueError if it is malformed."""
    try:
        receipt = _Receipt.model_validate_json(json_text.repair(text))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        # Not pydantic's text, which quotes the value.
        raise ValueError(f"SMS receipt is not understood: {where or 'no JSON object'}") from None
    return _event(receipt.notification, receipt.delivery, failed=receipt.status != "SUCCESS")


def _cause(answer: str) -> EventCause:
    """Return our cause for SNS's words, given in lower case."""
    if _OPTED_OUT in answer:
        return EventCause.OPTED_OUT
    is_lasting = any(words in answer for words in _LASTING)
    return EventCause.ADDRESS if is_lasting else EventCause.TEMPORARY


def _event(notification: _Notification, delivery: _Delivery, *, failed: bool) -> ProviderEvent:
    answer = delivery.answer.lower()
    if _NO_QUOTA in answer:
        logger.error("SNS sends no more texts this month: its own spending limit is reached")
    kind = EventKind.BOUNCED if failed else EventKind.DELIVERED
    at = notification.timestamp
    if not 2011 <= at.year < 2100:
        raise ValueError("the time of the SMS receipt cannot be")
    return ProviderEvent(
        fingerprint=fingerprint(PROVIDER, notification.message_id, kind, delivery.answer),
        kind=kind,
        cause=_cause(answer) if failed else EventCause.NONE,
        is_simulated=delivery.destination in SIMULATED,
        provider=PROVIDER,
        provider_message_id=notification.message_id,
        recipient=delivery.destination,
        code=(delivery.carrier or "")[:64],
        detail=delivery.answer,
        price_usd=None if delivery.price is None else round(delivery.price, 5),
        parts=delivery.parts,
        occurred_at=at if at.tzinfo else at.replace(tzinfo=UTC),
        via=Via.LOG,
    )
