"""The wire form of e-mails: sender, addresses and bodies that every server accepts."""

import re
from binascii import b2a_qp
from collections.abc import Mapping
from dataclasses import dataclass
from email.charset import QP, Charset
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import Message
from email.utils import formataddr, formatdate, make_msgid, parseaddr
from functools import lru_cache
from uuid import uuid4

import idna
from django.conf import settings
from django.core import mail

from ..exceptions import ChannelUnavailableError, NotSendable
from . import ses_headers
from .base import EmailMessage

#: Bodies become short lines of ASCII, so a server need not offer 8BITMIME (RFC 6152) and no line is
#: longer than 998 characters (RFC 5321, 4.5.3.1.6).
QUOTED_PRINTABLE = Charset("utf-8")
QUOTED_PRINTABLE.body_encoding = QP
#: The common form of an address (a part of RFC 5321, 4.1.2), which needs no parser.
PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)


@dataclass(frozen=True)
class Wire:
    """A message as it goes to SES: envelope, what SES is told about it, and its bytes."""

    sender: str
    recipients: list[str]
    #: The headers that SES removes, without their place in `payload`.
    ses: Mapping[str, str]
    payload: bytes


def our_sender(name: str = "") -> str:
    """Return the sender of a notification; raise ChannelUnavailableError.

    `name` is that of the recipient's brand. Without one, a name in DEFAULT_FROM_EMAIL, which is
    Django's usual form, wins over DEFAULT_FROM_NAME.
    """
    return _our_sender(name, settings.DEFAULT_FROM_EMAIL, settings.DEFAULT_FROM_NAME)


@lru_cache(maxsize=64)
def _our_sender(chosen: str, email: str, default_name: str) -> str:
    name, address = parseaddr(email)
    return _sender(chosen or name or default_name, address)


def sender(text: str) -> str:
    """Return a sender in ASCII on one line; raise ChannelUnavailableError."""
    return _sender(*parseaddr(text))


def _sender(name: str, address: str) -> str:
    try:
        return _named(name, ascii_address(address))
    except ValueError as error:
        # Every message has this sender, so the fault stops the channel and ends no delivery.
        problem = (
            f"the sender cannot be used, see DEFAULT_FROM_EMAIL and DEFAULT_FROM_NAME: {error}"
        )
        raise ChannelUnavailableError(problem, code="sender") from error


def recipient(text: str) -> str:
    """Return an address in ASCII without a name; raise NotSendable if it has no such form."""
    if PLAIN_ADDRESS.fullmatch(text):
        return text
    address = parseaddr(text)[1] or text
    try:
        if address not in text:
            # The parser left something out: that would be another person's address.
            raise ValueError("it has characters that no address has")
        return ascii_address(address)
    except ValueError as error:
        raise NotSendable(f"the address cannot be encoded: {error}", code="address") from error


def ascii_address(address: str) -> str:
    """Return the address with its domain by IDNA 2008 (RFC 5891); raise ValueError."""
    local, _, domain = address.rpartition("@")
    if not (local and domain and local.isascii()):
        raise ValueError("it needs an ASCII name, @ and a domain")
    if not domain.isascii():
        domain = idna.encode(domain, uts46=True, transitional=False).decode()
    try:
        return Address(addr_spec=f"{local}@{domain}").addr_spec
    except (MessageError, IndexError) as error:
        raise ValueError("it is no address") from error


def wire(message: EmailMessage, sender: str, recipient: str) -> Wire:
    """Return one of our messages as it goes to SES; raise NotSendable if it cannot be encoded.

    The standard library builds the same in six times the time.
    """
    boundary = f"=_{uuid4().hex}"
    headers = {
        "From": sender,
        "To": recipient,
        "Subject": message.subject,
        "Date": formatdate(),
        # SES replaces it by its own; other servers keep it.
        "Message-ID": make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2]),
        "MIME-Version": "1.0",
        **message.headers,
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    try:
        lines = [_header(name, value) for name, value in headers.items()]
        parts = [_part("plain", message.text), _part("html", message.html)]
    except (ValueError, LookupError, MessageError) as error:
        # Nothing was sent. ValueError includes a line break in a header and UnicodeError.
        raise NotSendable(f"it cannot be encoded: {error}", code="encoding") from error
    # Such a line is not in any part: quoted-printable encodes "=".
    mark = f"--{boundary}".encode()
    text = b"\n".join([*lines, b"", mark, parts[0], mark, parts[1], mark + b"--", b""])
    tags = ses_headers.write(message.tags)
    return Wire(sender, [recipient], tags, text.replace(b"\n", b"\r\n"))


def of_django(message: mail.EmailMessage) -> Wire:
    """Return a message of Django's own as it goes to SES; raise DeliveryError."""
    message.from_email = sender(message.from_email)
    mime = encode(message)
    recipients = [recipient(to) for to in message.recipients()]
    tags = ses_headers.take_out(mime)
    payload: bytes = mime.as_bytes(linesep="\r\n")  # type: ignore[call-arg]
    return Wire(message.from_email, recipients, tags, payload)


def encode(message: mail.EmailMessage) -> Message:
    """Return the message as MIME; raise NotSendable if it cannot be encoded."""
    message.encoding = QUOTED_PRINTABLE
    try:
        mime: Message = message.message()
        mime.as_bytes()
    except (ValueError, LookupError, MessageError) as error:
        raise NotSendable(f"it cannot be encoded: {error}", code="encoding") from error
    return mime


def _header(name: str, value: str) -> bytes:
    if "\n" in value or "\r" in value:
        raise ValueError(f"the header {name} has a line break")
    # A reader decodes what looks encoded, and a line may have 998 characters (RFC 5322, 2.1.1).
    is_plain = value.isascii() and "=?" not in value and len(value) < 900
    if name == "Reply-To":
        value = _named(parseaddr(value)[0], ascii_address(parseaddr(value)[1]))
    elif name == "Subject" and not is_plain:
        value = Header(value, "utf-8", header_name=name).encode()
    return f"{name}: {value}".encode("ascii")


def _part(subtype: str, body: str) -> bytes:
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    return (
        f'Content-Type: text/{subtype}; charset="utf-8"\n'
        "Content-Transfer-Encoding: quoted-printable\n\n"
    ).encode() + b2a_qp(body.encode(), istext=True)


def _named(name: str, address: str) -> str:
    if re.search(r"[\r\n]", name):
        raise ValueError("the name has a line break")
    if name.isascii() and "=?" not in name:
        return formataddr((name, address))
    # Encoded words of at most 75 characters (RFC 2047), on one line: SES's API refuses folded text.
    words = re.sub(r"\r?\n[ \t]*", " ", Header(name, "utf-8").encode(maxlinelen=75))
    return f"{name if name.isascii() else words} <{address}>"
