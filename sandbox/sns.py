"""The SNS stand-in: the query protocol's `Publish`, to one phone number."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from aiohttp import web

from apps.core import segments
from sandbox.store import Kind, Store

MAX_CHARACTERS = 1_600
USD_PER_PART = Decimal("0.00645")

_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9-]{3,11}")
_PRICE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_ATTRIBUTE_NAME = re.compile(r"(MessageAttributes\.entry\.[0-9]+)\.Name")


class SnsError(Exception):
    """SNS would refuse the call: an error code of its API, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidParameter(SnsError):
    """SNS would refuse the call because of one of its parameters."""

    def __init__(self, reason: str) -> None:
        super().__init__("InvalidParameter", f"Invalid parameter: {reason}")


@dataclass(frozen=True, slots=True)
class Sms:
    """An accepted text message."""

    kind: ClassVar[Kind] = "sms"

    id: str
    phone: str
    body: str
    sender_id: str | None
    sms_type: str | None
    max_price: Decimal | None

    @property
    def recipients(self) -> tuple[str]:
        """The one phone number, in E.164."""
        return (self.phone,)

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """The fields of the text message, all of them in either case; prices in US dollars."""
        size = segments.count(self.body)
        return {
            "phone": self.phone,
            "body": self.body,
            "sender_id": self.sender_id,
            "sms_type": self.sms_type,
            "max_price": None if self.max_price is None else float(self.max_price),
            "encoding": size.encoding,
            "parts": size.parts,
            "price_usd": float(size.parts * USD_PER_PART),
        }


def accept(parameters: Mapping[str, str]) -> Sms:
    """The text message that the parameters of a query-protocol call ask for, or `SnsError`."""
    action = parameters.get("Action", "")
    if action != "Publish":
        raise SnsError(
            "InvalidAction", f"The action {_printable(action)} is not valid for this endpoint."
        )
    phone = parameters.get("PhoneNumber", "")
    if _E164.fullmatch(phone) is None:
        raise InvalidParameter(
            f"PhoneNumber Reason: {_printable(phone)} is not valid to publish to"
        )
    body = parameters.get("Message", "")
    if not body:
        raise InvalidParameter("Empty message")
    if len(body) > MAX_CHARACTERS:
        raise InvalidParameter("Message too long")
    attributes = _attributes(parameters)
    sender_id = attributes.get("AWS.SNS.SMS.SenderID")
    if sender_id is not None and _SENDER_ID.fullmatch(sender_id) is None:
        raise InvalidParameter(
            "AWS.SNS.SMS.SenderID Reason: it must be 3 to 11 letters, digits or hyphens, at least"
            " one of them a letter"
        )
    max_price = attributes.get("AWS.SNS.SMS.MaxPrice")
    if max_price is not None and _PRICE.fullmatch(max_price) is None:
        raise InvalidParameter("AWS.SNS.SMS.MaxPrice Reason: it must be an amount in US dollars")
    return Sms(
        id=str(uuid4()),
        phone=phone,
        body=body,
        sender_id=sender_id,
        sms_type=attributes.get("AWS.SNS.SMS.SMSType"),
        max_price=None if max_price is None else Decimal(max_price),
    )


class Sns:
    """The endpoint that boto3's `sns` client calls."""

    def __init__(self, store: Store, latency: float) -> None:
        """`latency`: seconds between taking a message and answering that it was taken."""
        self._store = store
        self._latency = latency

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to one call: the only place where a message is kept or refused."""
        form = (await request.read()).decode("utf-8", "replace")
        try:
            sms = accept(dict(parse_qsl(form)))
        except SnsError as error:
            return _refusal(error)
        self._store.add(sms)
        await asyncio.sleep(self._latency)
        return _acceptance(sms)


def _acceptance(sms: Sms) -> web.Response:
    result = f"<PublishResult><MessageId>{sms.id}</MessageId></PublishResult>"
    metadata = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    return _xml(f'<PublishResponse xmlns="{_NAMESPACE}">{result}{metadata}</PublishResponse>')


def _refusal(error: SnsError) -> web.Response:
    detail = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    body = f"<Error>{detail}</Error><RequestId>{uuid4()}</RequestId>"
    return _xml(f'<ErrorResponse xmlns="{_NAMESPACE}">{body}</ErrorResponse>', status=400)


def _xml(document: str, status: int = 200) -> web.Response:
    return web.Response(text=document, status=status, content_type="text/xml")


def _attributes(parameters: Mapping[str, str]) -> dict[str, str]:
    """`MessageAttributes.entry.N.Name` and `.Value.StringValue`, as one mapping."""
    attributes = {}
    for key, name in parameters.items():
        if match := _ATTRIBUTE_NAME.fullmatch(key):
            attributes[name] = parameters.get(f"{match[1]}.Value.StringValue", "")
    return attributes


def _printable(text: str) -> str:
    """`text` without the characters that XML cannot carry."""
    return "".join(char if char.isprintable() else "?" for char in text)
