"""E-mails: how SES reads, checks and rewrites a raw message."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, ClassVar
from uuid import uuid4

from sandbox.store import Channel
from sandbox.timestamps import milliseconds

#: SES's default limit for one message, in octets.
MAX_SIZE = 40 * 1024 * 1024

_MESSAGE_ID = "message-id"
_DATE = "date"
_CONFIGURATION_SET = "x-ses-configuration-set"
_MESSAGE_TAGS = "x-ses-message-tags"
_REMOVED = frozenset({_MESSAGE_ID, _DATE, _CONFIGURATION_SET, _MESSAGE_TAGS})

_TAG = re.compile(r"([A-Za-z0-9_-]{1,256})=([A-Za-z0-9_-]{1,256})")

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")


class MessageRefused(Exception):
    """SES would refuse the message; the text says why, in ASCII, without a reply code."""


@dataclass(frozen=True, slots=True)
class Email:
    """An accepted e-mail; `source` is the raw message as SES would send it on."""

    channel: ClassVar[Channel] = "email"

    id: str
    envelope_from: str
    recipients: Sequence[str]
    source: bytes
    configuration_set: str | None
    tags: Mapping[str, str]
    #: SES's name of the call that sent it.
    operation: str

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields in order, unfolded and not decoded."""
        fields, _ = _split(self.source)
        return [_header(field) for field in fields]

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """Return the fields, read from the source; `html` and `source` only if `full`."""
        # Parsed only now: a benchmark that sends thousands should not pay for parsing them all.
        parsed = message_from_bytes(self.source, policy=SMTP)
        shown = {
            "from": str(parsed.get("From", self.envelope_from)),
            "envelope_from": self.envelope_from,
            "to": list(self.recipients),
            "subject": str(parsed.get("Subject", "")),
            "configuration_set": self.configuration_set,
            "tags": dict(self.tags),
            "headers": self.headers,
            "text": _body(parsed, "text/plain"),
        }
        if full:
            shown["html"] = _body(parsed, "text/html")
            shown["source"] = self.source.decode("utf-8", "replace")
        return shown


def ses_id(now: datetime) -> str:
    """Return a new ID in the form that SES gives messages and feedback."""
    # SES's IDs begin with a code of the Region and the milliseconds since 1970, in hexadecimal.
    return f"0100{milliseconds(now):012x}-{uuid4()}-000000"


def is_address(text: str) -> bool:
    """Return whether `text` is a bare `local@domain.tld` that SES accepts as a recipient."""
    return _ADDRESS.fullmatch(text) is not None


def accept(
    source: bytes,
    envelope_from: str,
    recipients: Sequence[str],
    now: datetime,
    *,
    operation: str = "SendSmtpEmail",
) -> Email:
    """Return the e-mail that SES makes of a raw message at `now` (UTC); raises MessageRefused.

    SES replaces Message-ID and Date, and reads and removes the X-SES headers.
    """
    fields, body = _split(source)
    headers = [(field, *_header(field)) for field in fields]
    read = {name.lower(): value for _, name, value in headers}
    kept = [field for field, name, _ in headers if name.lower() not in _REMOVED]
    message_id = ses_id(now)
    kept.append(f"Message-ID: <{message_id}@email.amazonses.com>".encode())
    kept.append(f"Date: {format_datetime(now)}".encode())
    return Email(
        id=message_id,
        envelope_from=envelope_from,
        recipients=tuple(recipients),
        source=b"\r\n".join([*kept, b"", body]),
        configuration_set=read.get(_CONFIGURATION_SET) or None,
        tags=_tags(read.get(_MESSAGE_TAGS, "")),
        operation=operation,
    )


def with_headers(source: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the raw message with headers replaced or added."""
    fields, body = _split(source)
    replaced = {name.lower() for name in headers}
    kept = [field for field in fields if _header(field)[0].lower() not in replaced]
    kept += [f"{name}: {value}".encode() for name, value in headers.items()]
    return b"\r\n".join([*kept, b"", body])


def _split(source: bytes) -> tuple[list[bytes], bytes]:
    """Split a raw message into its header fields, still folded, and its body."""
    # Lines may end in LF alone; their X-SES headers must not be missed.
    if opening := re.match(rb"\r?\n", source):
        return [], source[opening.end() :]
    head, *rest = re.split(rb"\r?\n\r?\n", source, maxsplit=1)
    fields = re.split(rb"\r?\n(?![ \t])", head)
    return [field for field in fields if field], b"".join(rest)


def _header(field: bytes) -> tuple[str, str]:
    name, _, value = field.decode("utf-8", "replace").partition(":")
    return name.strip(), re.sub(r"\r?\n", "", value).strip()


def _tags(value: str) -> dict[str, str]:
    if not value:
        return {}
    tags = {}
    for number, pair in enumerate(value.split(","), start=1):
        match = _TAG.fullmatch(pair.strip())
        if match is None:
            raise MessageRefused(
                f"Invalid message tag {number}: expected name=value, each of 1 to 256 ASCII"
                " letters, digits, '_' or '-'"
            )
        tags[match[1]] = match[2]
    return tags


def _body(message: Message, content_type: str) -> str | None:
    """Return the first part of that type that is no attachment, decoded, with LF lines."""
    for part in message.walk():
        if part.get_content_type() != content_type:
            continue
        if part.get_content_disposition() == "attachment":
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        try:
            text = payload.decode(part.get_content_charset("utf-8"), "replace")
        except LookupError:
            text = payload.decode("utf-8", "replace")
        return text.replace("\r\n", "\n")
    return None
