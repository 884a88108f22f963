"""SES's reports in our words.

The shapes are those of
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html, which name
their `eventType` and carry our tags, and of
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html, which name their
`notificationType` and carry none.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.utils.dateparse import parse_datetime

from apps.core.models import ProviderEvent
from apps.core.providers.aws.simulator import MAILBOX_DOMAIN
from apps.core.states import EventCause, EventKind

from .provider_events import fingerprint

PROVIDER = "ses"
Value = TypeVar("Value")

#: The key under which each type keeps what it has to say, and what it is to us. Whatever else SES
#: publishes (opens, clicks, subscriptions) is nothing to a delivery.
_TYPES: dict[str, tuple[str, EventKind]] = {
    "Send": ("send", EventKind.SENT),
    "Delivery": ("delivery", EventKind.DELIVERED),
    "DeliveryDelay": ("deliveryDelay", EventKind.DELAYED),
    "Bounce": ("bounce", EventKind.BOUNCED),
    "Complaint": ("complaint", EventKind.COMPLAINED),
    "Reject": ("reject", EventKind.REJECTED),
    "Rendering Failure": ("failure", EventKind.REJECTED),
}


class NotAReport(ValueError):
    """The text is none of SES's reports, as the one with which SES tries a new topic."""


def reports(message: str, envelope_id: str) -> list[ProviderEvent]:
    """What the text of one SNS message reports, one row for each recipient it speaks of.

    The rows are not saved. Raises NotAReport.
    """
    try:
        content = json.loads(message)
        mail = content["mail"]
        name = content.get("eventType") or content.get("notificationType")
        key, kind = _TYPES.get(name, ("", None))
        if kind is None:
            return []
        said = content.get(key) or {}
        return [
            _report(mail, said, kind, recipient, envelope_id)
            for recipient in _recipients(said, mail)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAReport(f"{type(error).__name__}: {error}") from error


def _report(
    mail: dict[str, Any],
    said: dict[str, Any],
    kind: EventKind,
    recipient: dict[str, Any],
    envelope_id: str,
) -> ProviderEvent:
    tags = mail.get("tags") or {}
    address = str(recipient["emailAddress"])
    occurred_at = _moment(said.get("timestamp") or mail["timestamp"])
    identity = said.get("feedbackId") or occurred_at.isoformat()
    if kind == EventKind.COMPLAINED and said.get("complaintFeedbackType") == "not-spam":
        # The recipient took it out of the junk folder: the opposite of a complaint.
        kind = EventKind.DELIVERED
    return ProviderEvent(
        fingerprint=fingerprint(PROVIDER, mail["messageId"], kind, address, identity),
        envelope_id=envelope_id,
        kind=kind,
        cause=_cause(said, kind),
        is_simulated=address.lower().endswith(MAILBOX_DOMAIN),
        provider=PROVIDER,
        provider_message_id=str(mail["messageId"])[:128],
        delivery_ref=_first(tags, "delivery", UUID),
        attempt=_first(tags, "attempt", _attempt),
        recipient=address.lower()[:320],
        code=_code(said),
        detail=_detail(said, recipient),
        occurred_at=occurred_at,
    )


def _recipients(said: dict[str, Any], mail: dict[str, Any]) -> list[dict[str, Any]]:
    """Of those whom we wrote to, whom the report speaks of.

    A complaint lists everybody at its domain. A bounce names whom the remote mail server names:
    the target of a forward, or whomever a stranger chooses; what it says of them is said of the
    one we wrote to.
    """
    named = [*said.get("bouncedRecipients", []), *said.get("delayedRecipients", [])]
    named += said.get("complainedRecipients", [])
    by_address = {str(one["emailAddress"]).casefold(): one for one in named}
    destination = [str(address) for address in mail["destination"]]
    if len(destination) == 1 and len(named) == 1:
        return [{**named[0], "emailAddress": destination[0]}]
    meant = [one for one in destination if one.casefold() in by_address]
    return [
        {**by_address.get(one.casefold(), {}), "emailAddress": one} for one in meant or destination
    ]


def _cause(said: dict[str, Any], kind: EventKind) -> EventCause:
    """Return SES's bounce types and subtypes in our words."""
    subtype = str(said.get("bounceSubType") or said.get("complaintSubType") or "")
    # The account's own list, or the one that all accounts share.
    if subtype in ("OnAccountSuppressionList", "Suppressed"):
        return EventCause.OWN_LIST
    if kind != EventKind.BOUNCED:
        return EventCause.NONE
    is_lasting = said.get("bounceType") == "Permanent"
    return EventCause.ADDRESS if is_lasting else EventCause.TEMPORARY


def _code(said: dict[str, Any]) -> str:
    words = [said.get("bounceType"), said.get("bounceSubType")]
    words += [said.get("delayType"), said.get("complaintFeedbackType")]
    return " ".join(str(word) for word in words if word)


def _detail(said: dict[str, Any], recipient: dict[str, Any]) -> str:
    words = [recipient.get("status"), recipient.get("diagnosticCode"), said.get("smtpResponse")]
    words += [said.get("reason"), said.get("errorMessage"), said.get("complaintSubType")]
    return " ".join(str(word) for word in words if word)


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is no time")
    return moment


def _attempt(text: str) -> int:
    number = int(text)
    if not 0 < number < 2**31:
        raise ValueError("no attempt has this number")
    return number


def _first(tags: dict[str, Any], name: str, kind: Callable[[str], Value]) -> Value | None:
    """Our own tag as what it should be; None where it is not there, or is somebody else's."""
    try:
        return kind(tags[name][0])
    except (LookupError, ValueError, TypeError):
        return None
