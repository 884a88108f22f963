"""What SES reports of an e-mail.

The shapes are those of
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import getaddresses
from typing import Any, Literal, NamedTuple

from sandbox.clock import iso
from sandbox.mail import Email, ses_id

ACCOUNT = "000000000000"
#: SES leaves out the headers beyond this many octets.
MAX_HEADERS = 10 * 1024

_MTA = "a8-30.smtp-out.amazonses.com"
_GIVES_UP_AFTER = timedelta(hours=14)
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
_SIMULATOR = re.compile(
    r"(success|bounce|ooto|complaint|suppressionlist)(?:\+[^@]*)?@simulator\.amazonses\.com", re.I
)
_SIMULATED = {
    "bounce": "bounce",
    "complaint": "complaint",
    "suppressionlist": "suppressed",
    # `success`, and `ooto`, whose automatic answer goes to the sender by e-mail, are delivered.
}
#: What is reported after the Send, each some time after the one before.
_STORIES: Mapping[str, Sequence[tuple[str, str]]] = {
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
    """Something to report: `step` is how many delays after the sending it happens."""

    type: str
    detail: str
    recipients: Sequence[str]
    step: int


def story(
    recipients: Sequence[str], outcome: str | None, is_listed: Callable[[str], bool]
) -> list[Event]:
    """What happens to an e-mail, in order; with no `outcome`, what each address would get.

    What is on SES's own list (`is_listed`) is not sent, whatever is said of the address.
    """
    if outcome == "none":
        return []
    by_outcome: dict[str, list[str]] = {}
    for address in recipients:
        end = "listed" if is_listed(address) else outcome or _natural(address)
        by_outcome.setdefault(end, []).append(address)
    later = [event for end, whose in by_outcome.items() for event in _ending(end, whose)]
    return [Event("Send", "", recipients, 0), *sorted(later, key=lambda event: event.step)]


def is_simulated(address: str) -> bool:
    """Whether SES itself answers for that address."""
    return _SIMULATOR.fullmatch(address) is not None


def listing(event: Event) -> tuple[Literal["BOUNCE", "COMPLAINT"], list[str]] | None:
    """For what reason SES puts which addresses on its own list after this; None where none.

    The mailbox simulator's never are
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
    """The JSON that SES publishes of an event that happened `now`."""
    key = event.type[0].lower() + event.type[1:]
    mail = _mail(email, received_at)
    if event.type == "Delivery":
        mail["tags"]["ses:outgoing-ip"] = ["127.0.0.1"]
    detail = _DETAILS[event.type](event, received_at, now)
    return {"eventType": event.type, "mail": mail, key: detail}


def _natural(address: str) -> str:
    simulated = _SIMULATOR.fullmatch(address)
    return _SIMULATED.get(simulated[1].lower(), "delivered") if simulated else "delivered"


def _ending(outcome: str, recipients: Sequence[str]) -> Iterator[Event]:
    for step, (kind, detail) in enumerate(_STORIES[outcome], start=1):
        yield Event(kind, detail, recipients, step)


def _mail(email: Email, received_at: datetime) -> dict[str, Any]:
    domain = email.envelope_from.rpartition("@")[2]
    headers, truncated = _headers(email)
    return {
        "timestamp": iso(received_at),
        "source": email.envelope_from,
        "sourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT}:identity/{domain}",
        "sendingAccountId": ACCOUNT,
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
        "expirationTime": iso(received_at + _GIVES_UP_AFTER),
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
