"""Text messages: how SNS reads and checks a `Publish`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

from sandbox.net.query_protocol import CallRefused
from sandbox.sns import parts
from sandbox.store import Channel

MAX_CHARACTERS = 1_600
USD_PER_PART = Decimal("0.00645")

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9-]{3,11}")
_PRICE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_ATTRIBUTE_NAME = re.compile(r"(MessageAttributes\.entry\.[0-9]+)\.Name")


class InvalidParameter(CallRefused):
    """SNS would refuse the call because of one of its parameters."""

    def __init__(self, reason: str) -> None:
        super().__init__("InvalidParameter", f"Invalid parameter: {reason}")


@dataclass(frozen=True, slots=True)
class Sms:
    """An accepted text message."""

    channel: ClassVar[Channel] = "sms"

    id: str
    phone: str
    body: str
    sender_id: str | None
    sms_type: str | None
    max_price: Decimal | None

    @property
    def recipients(self) -> tuple[str]:
        return (self.phone,)

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """Return every field, also if not `full`; prices in US dollars."""
        count = len(parts.split(self.body))
        return {
            "phone": self.phone,
            "body": self.body,
            "sender_id": self.sender_id,
            "sms_type": self.sms_type,
            "max_price": None if self.max_price is None else float(self.max_price),
            "encoding": parts.encoding(self.body),
            "parts": count,
            "price_usd": float(count * USD_PER_PART),
        }


def is_number(text: str) -> bool:
    """Return whether `text` is a phone number in E.164."""
    return _E164.fullmatch(text) is not None


def read(parameters: Mapping[str, str]) -> Sms:
    """Read the text message that a `Publish` asks for; raises InvalidParameter."""
    phone = parameters.get("PhoneNumber", "")
    if not is_number(phone):
        raise InvalidParameter(f"PhoneNumber Reason: {printable(phone)} is not valid to publish to")
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


def _attributes(parameters: Mapping[str, str]) -> dict[str, str]:
    """Collect `MessageAttributes.entry.N.Name` and `.Value.StringValue`."""
    attributes = {}
    for key, name in parameters.items():
        if match := _ATTRIBUTE_NAME.fullmatch(key):
            attributes[name] = parameters.get(f"{match[1]}.Value.StringValue", "")
    return attributes


def printable(text: str) -> str:
    """Replace the characters that XML cannot carry."""
    return "".join(char if char.isprintable() else "?" for char in text)
