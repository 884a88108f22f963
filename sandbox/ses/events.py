"""SES's events about an e-mail: which ones it gets, and their JSON.

Shapes:
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import getaddresses
from typing import Any, Literal, NamedTuple

from sandbox.arns import ACCOUNT_ID, REGION
from sandbox.ses.mail import Email, ses_id
from sandbox.timestamps import iso

#: SES leaves out the headers beyond this many octets.
MAX_HEADERS = 10 * 1024

_MTA = "a8-30.smtp-out.amazonses.com"
_RETRY_PERIOD = timedelta(hours=14)
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
_SIMULATOR = re.compile(
    r"(success|bounce|ooto|complaint|suppressionlist)(?:\+[^@]*)?@simulator\.amazonses\.com", re.I
)
_SIMULATED = {
    "bounce": "bounce",
    "complaint": "complaint",
    "suppressionlist": "suppressed",
    # `success` and `ooto` are delivered: ooto's automatic reply goes to the sender by e-mail.
}
#: The events after the Send, one delay after another: type and detail.
_EVENTS_OF: Mapping[str, Sequence[tuple[str, str]]] = {
    "delivered": [("Delivery", "")],
    "bounce": [("Bounce", "Permanent General")],
    "soft_bounce": [("Bounce", "Transient MailboxFull")],
    "suppressed": [("Bounce", "Permanent Suppressed")],
    "listed": [("Bounce", "Permanent OnAccountSuppressionList")],
    "complaint": [("Delivery", ""), ("Complaint", "abuse")],
    "delay": [("DeliveryDelay", "TransientCommunicationFailure"), ("Delivery", "")],
    "reject": [("Reject", "Bad content")],
}
_BOUNCES = {
    "Permanent General": ("5.1.1", "smtp; 550 5.1.1 user unknown"),
    "Permanent Suppressed": (
        "5.1.1",
        "Amazon SES has suppressed sending to this address because it has a recent history of"
        " bouncing as an invalid address.",
    ),
    "Permanent OnAccountSuppressionList": (
        "5.1.1",
        "Amazon SES did not send the message to this address because it is on the suppression list"
        " for your account.",
    ),
    "Transient MailboxFull": ("4.2.2", "smtp; 452 4.2.2 mailbox full"),
}


class Event(NamedTuple):
    """An event; `step` is how many delays after the sending it happens."""

    type: str
    detail: str
    recipients: Sequence[str]
    step: int


def plan(
    recipients: Sequence[str], outcome: str | None, is_suppressed: Callable[[str], bool]
) -> list[Event]:
    """Return the events of an e-mail, in order; without `outcome`, each address gets its own.

    A suppressed address bounces as `OnAccountSuppressionList`, whatever `outcome` says.
    """
    if outcome == "none":
        return []
    by_outcome: dict[str, list[str]] = {}
    for address in recipients:
        end = "listed" if is_suppressed(address) else outcome or _own_outcome(address)
        by_outcome.setdefault(end, []).append(address)
    later = [event for end, addresses in by_outcome.items() for event in _later(end, addresses)]
    return [Event("Send", "", recipients, 0), *sorted(later, key=lambda event: event.step)]


def is_simulated(address: str) -> bool:
    """Return whether the address belongs to SES's mailbox simulator."""
    return _SIMULATOR.fullmatch(address) is not None


def suppressions(event: Event) -> tuple[Literal["BOUNCE", "COMPLAINT"], list[str]] | None:
    """Return the addresses that SES suppresses after an event, and the reason; None if none.

    SES never suppresses addresses of its mailbox simulator
    (https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html).
    """
    reason: Literal["BOUNCE", "COMPLAINT"]
    if event.type == "Complaint":
        reason = "COMPLAINT"
    elif event.type == "Bounce" and event.detail == "Permanent General":
        reason = "BOUNCE"
    else:
        return None
    return reason, [each for each in event.recipients if not is_simulated(each)]


def document(email: Email, received_at: datetime, event: Event, now: datetime) -> dict[str, Any]:
    """Return the JSON that SES publishes about an event at the time `now`."""
    key = event.type[0].lower() + event.type[1:]
    mail = _mail(email, received_at)
    if event.type == "Delivery":
        mail["tags"]["ses:outgoing-ip"] = ["127.0.0.1"]
    detail = _DETAILS[event.type](event, received_at, now)
    return {"eventType": event.type, "mail": mail, key: detail}


def _own_outcome(address: str) -> str:
    simulated = _SIMULATOR.fullmatch(address)
    return _SIMULATED.get(simulated[1].lower(), "delivered") if simulated else "delivered"


def _later(outcome: str, recipients: Sequence[str]) -> Iterator[Event]:
    for step, (kind, detail) in enumerate(_EVENTS_OF[outcome], start=1):
        yield Event(kind, detail, recipients, step)


def _mail(email: Email, received_at: datetime) -> dict[str, Any]:
    domain = email.envelope_from.rpartition("@")[2]
    headers, truncated = _headers(email)
    return {
        "timestamp": iso(received_at),
        "source": email.envelope_from,
        "sourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/{domain}",
        "sendingAccountId": ACCOUNT_ID,
        "messageId": email.id,
        "destination": list(email.recipients),
        "headersTruncated": truncated,
        "headers": headers,
        "commonHeaders": _common_headers(email),
        "tags": {
            "ses:operation": [email.operation],
            "ses:configuration-set": [email.configuration_set],
            "ses:source-ip": ["127.0.0.1"],
            "ses:from-domain": [domain],
            "ses:caller-identity": ["sandbox"],
            **{name: [value] for name, value in email.tags.items()},
        },
    }


def _headers(email: Email) -> tuple[list[dict[str, str]], bool]:
    shown: list[dict[str, str]] = []
    size = 0
    for name, value in email.headers:
        size += len(name) + len(value)
        if size > MAX_HEADERS:
            return shown, True
        shown.append({"name": name, "value": value})
    return shown, False


def _common_headers(email: Email) -> dict[str, Any]:
    read = {name.lower(): value for name, value in email.headers}
    common = {
        "from": _addresses(read.get("from", "")),
        "replyTo": _addresses(read.get("reply-to", "")),
        "date": read.get("date"),
        "to": _addresses(read.get("to", "")),
        "messageId": email.id,
        "subject": read.get("subject"),
    }
    return {name: value for name, value in common.items() if value}


def _addresses(value: str) -> list[str]:
    return [f"{name} <{address}>" if name else address for name, address in getaddresses([value])]


def _delivery(event: Event, received_at: datetime, now: datetime) -> dict[str, Any]:
    return {
        "timestamp": iso(now),
        "processingTimeMillis": int((now - received_at).total_seconds() * 1000),
        "recipients": list(event.recipients),
        "smtpResponse": "250 2.6.0 Message received",
        "remoteMtaIp": "127.0.0.1",
        "reportingMTA": _MTA,
    }


def _bounce(event: Event, received_at: datetime, now: datetime) -> dict[str, Any]:
    bounce_type, _, bounce_sub_type = event.detail.partition(" ")
    status, code = _BOUNCES[event.detail]
    why = {"action": "failed", "status": status, "diagnosticCode": code}
    return {
        "feedbackId": ses_id(now),
        "bounceType": bounce_type,
        "bounceSubType": bounce_sub_type,
        "bouncedRecipients": [{"emailAddress": to, **why} for to in event.recipients],
        "timestamp": iso(now),
        "reportingMTA": f"dsn; {_MTA}",
    }


def _complaint(event: Event, received_at: datetime, now: datetime) -> dict[str, Any]:
    return {
        "feedbackId": ses_id(now),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": to} for to in event.recipients],
        "timestamp": iso(now),
        "userAgent": "RS Systems sandbox",
        "complaintFeedbackType": event.detail,
        "arrivalDate": iso(now),
    }


def _delay(event: Event, received_at: datetime, now: datetime) -> dict[str, Any]:
    why = {"status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host"}
    return {
        "timestamp": iso(now),
        "delayType": event.detail,
        "expirationTime": iso(received_at + _RETRY_PERIOD),
        "delayedRecipients": [{"emailAddress": to, **why} for to in event.recipients],
        "reportingMTA": _MTA,
    }


_DETAILS: Mapping[str, Callable[[Event, datetime, datetime], dict[str, Any]]] = {
    "Send": lambda event, received_at, now: {},
    "Delivery": _delivery,
    "Bounce": _bounce,
    "Complaint": _complaint,
    "DeliveryDelay": _delay,
    "Reject": lambda event, received_at, now: {"reason": event.detail},
}
