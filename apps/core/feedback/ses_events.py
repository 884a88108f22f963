"""Parse the events of SES into ours.

The shapes are those of
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html, with an
`eventType` and our tags, and of
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html, with a `notificationType` and
without tags.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.utils.dateparse import parse_datetime

from apps.core.addresses import canonical
from apps.core.models import ProviderEvent
from apps.core.providers.aws.simulator import MAILBOX_DOMAIN
from apps.core.states import EventCause, EventKind

from . import json_text
from .provider_events import fingerprint
from .set_aside import POISON

PROVIDER = "ses"
Value = TypeVar("Value")

#: Bounce subtypes that are about the message or a full mailbox, whatever code the server gave.
_ABOUT_MESSAGE = {"MailboxFull", "MessageTooLarge", "ContentRejected", "AttachmentRejected"}
#: The reply code and the enhanced status code (RFC 3463) in the recipient server's answer, as in
#: `smtp; 550 5.4.4 Invalid domain`. Some servers give one of the two, or write `550 #5.1.0`.
_ANSWER = re.compile(
    r"(?:[\w-]{1,20};)?\s{0,9}(?P<reply>[245]\d\d\b)?"
    r"[\s:#(-]{0,9}(?P<status>[245]\.\d{1,3}\.\d{1,3}\b)?"
)
#: Enhanced status codes of class 5 that say nothing about the address: a full mailbox, the size,
#: the content, the sender's reputation.
_NOT_LASTING = re.compile(r"5\.(?:2\.[23]|3\.4|6\.|7\.)")

#: The key that holds each type's details, and our kind. Other types (opens, clicks, subscriptions)
#: do not concern a delivery.
_TYPES: dict[str, tuple[str, EventKind]] = {
    "Send": ("send", EventKind.SENT),
    "Delivery": ("delivery", EventKind.DELIVERED),
    "DeliveryDelay": ("deliveryDelay", EventKind.DELAYED),
    "Bounce": ("bounce", EventKind.BOUNCED),
    "Complaint": ("complaint", EventKind.COMPLAINED),
    "Reject": ("reject", EventKind.REJECTED),
    "Rendering Failure": ("failure", EventKind.REJECTED),
}


class NotAnEvent(ValueError):
    """The text is no event of SES, as the sentence with which SES tests a new topic."""


def parse(message: str, envelope_id: str) -> list[ProviderEvent]:
    """Return the events in one SNS message, unsaved, one for each recipient; raise NotAnEvent."""
    try:
        content = json.loads(json_text.repair(message))
        mail = content["mail"]
        name = content.get("eventType") or content.get("notificationType")
        key, kind = _TYPES.get(name, ("", None))
        if kind is None:
            return []
        details = content.get(key) or {}
        return [
            _event(mail, details, kind, recipient, envelope_id)
            for recipient in _recipients(details, mail)
        ]
    except POISON as error:
        raise NotAnEvent(f"{type(error).__name__}: {error}") from error


def _event(
    mail: dict[str, Any],
    details: dict[str, Any],
    kind: EventKind,
    recipient: dict[str, Any],
    envelope_id: str,
) -> ProviderEvent:
    tags = mail.get("tags") or {}
    if not isinstance(mail["messageId"], str):
        raise TypeError("the message has no ID")
    address = canonical(str(recipient["emailAddress"]))
    occurred_at = _moment(details.get("timestamp") or mail["timestamp"])
    identity = details.get("feedbackId") or occurred_at.isoformat()
    kind, cause = _classify(kind, details, recipient)
    return ProviderEvent(
        fingerprint=fingerprint(PROVIDER, mail["messageId"], kind, address, identity),
        envelope_id=envelope_id,
        kind=kind,
        cause=cause,
        is_simulated=address.endswith(MAILBOX_DOMAIN),
        provider=PROVIDER,
        provider_message_id=mail["messageId"][:128],
        delivery_ref=_first(tags, "delivery", UUID),
        attempt=_first(tags, "attempt", _attempt),
        recipient=address[:320],
        code=_code(details),
        detail=_detail(details, recipient),
        occurred_at=occurred_at,
    )


def _recipients(details: dict[str, Any], mail: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the recipients of our message that the event is about.

    A complaint lists every recipient at its domain. A bounce may name another address: the target
    of a forward, or one that a stranger chose. Such a bounce counts for the address we wrote to.
    """
    lists = ("bouncedRecipients", "delayedRecipients", "complainedRecipients")
    named = [one for key in lists for one in details.get(key) or () if one is not None]
    by_address = {canonical(_words(one, "emailAddress")): one for one in named}
    if not isinstance(mail["destination"], list) or not mail["destination"]:
        raise ValueError("the message has no recipients")
    destination = [str(address) for address in mail["destination"]]
    if len(destination) == 1 and len(named) == 1:
        return [{**named[0], "emailAddress": destination[0]}]
    concerned = [address for address in destination if canonical(address) in by_address]
    return [
        {**by_address.get(canonical(one), {}), "emailAddress": one}
        for one in concerned or destination
    ]


def _classify(
    kind: EventKind, details: dict[str, Any], recipient: dict[str, Any]
) -> tuple[EventKind, EventCause]:
    """Return our kind and cause for SES's types and subtypes, which do not always say the truth."""
    subtype = _words(details, "bounceSubType") or _words(details, "complaintSubType")
    if subtype in ("OnAccountSuppressionList", "Suppressed"):
        # SES sent nothing: the address is on the account's list, or on that of all accounts. It
        # publishes a complaint if a complaint put it there; this one is none.
        return EventKind.BOUNCED, EventCause.OWN_LIST
    if kind == EventKind.COMPLAINED and details.get("complaintFeedbackType") == "not-spam":
        # The recipient took it out of the junk folder: the opposite of a complaint.
        return EventKind.DELIVERED, EventCause.NONE
    if kind != EventKind.BOUNCED:
        return kind, EventCause.NONE
    if details.get("bounceType") == "Permanent":
        return kind, EventCause.ADDRESS
    status, answer = (_words(recipient, key) for key in ("status", "diagnosticCode"))
    if subtype == "General" and not status and not answer:
        # No server refused it: it is an automatic reply, as when out of office.
        return EventKind.REPLIED, EventCause.NONE
    is_lasting = subtype not in _ABOUT_MESSAGE and _is_final(status, answer)
    return kind, EventCause.ADDRESS if is_lasting else EventCause.TEMPORARY


def _is_final(status: str, answer: str) -> bool:
    """Return whether the recipient's server refused the address for good."""
    found = _ANSWER.match(answer)
    # SES's own expiry is `550 4.4.7 Message expired`: the enhanced code is the more exact one.
    code = (found and found["status"]) or status
    if code:
        return code.startswith("5.") and not _NOT_LASTING.match(code)
    return bool(found and (found["reply"] or "").startswith("5"))


def _words(content: dict[str, Any], key: str) -> str:
    """Return the value as text; empty if it is missing, null or blank."""
    return str(content.get(key) or "").strip()


def _code(details: dict[str, Any]) -> str:
    keys = ("bounceType", "bounceSubType", "delayType", "complaintFeedbackType")
    return _joined(_words(details, key) for key in keys)


def _detail(details: dict[str, Any], recipient: dict[str, Any]) -> str:
    of_recipient = [_words(recipient, key) for key in ("status", "diagnosticCode")]
    keys = ("smtpResponse", "reason", "errorMessage", "complaintSubType")
    return _joined([*of_recipient, *(_words(details, key) for key in keys)])


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    # SES did not exist before 2011; at the end of the calendar no other time zone can be computed.
    if moment is None or moment.tzinfo is None or not 2011 <= moment.year < 2100:
        raise ValueError(f"{text!r} is not a time of an event")
    return moment.astimezone(UTC)


def _attempt(text: str) -> int:
    number = int(text)
    if not 0 < number < 2**31:
        raise ValueError("no attempt has this number")
    return number


def _first(tags: dict[str, Any], name: str, kind: Callable[[str], Value]) -> Value | None:
    """Return our own tag as this type; None if it is missing or has another form."""
    try:
        return kind(tags[name][0])
    except (LookupError, ValueError, TypeError):
        return None
