"""The wire form of e-mails: sender, addresses and bodies that every server accepts."""

import re
from email.charset import QP, Charset
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import Message
from email.utils import formataddr, parseaddr

import idna
from django.conf import settings
from django.core.mail import EmailMessage

from ..exceptions import ChannelUnavailableError, NotSendable

#: Bodies become short lines of ASCII, so a server need not offer 8BITMIME (RFC 6152) and no line is
#: longer than 998 characters (RFC 5321, 4.5.3.1.6).
QUOTED_PRINTABLE = Charset("utf-8")
QUOTED_PRINTABLE.body_encoding = QP


def our_sender() -> str:
    """Return the sender of every notification; raise ChannelUnavailableError.

    A name in DEFAULT_FROM_EMAIL, which is Django's usual form, wins over DEFAULT_FROM_NAME.
    """
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return _sender(name or settings.DEFAULT_FROM_NAME, address)


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
    try:
        return ascii_address(parseaddr(text)[1] or text)
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


def encode(mail: EmailMessage) -> Message:
    """Return the message as MIME; raise NotSendable if it cannot be encoded."""
    mail.encoding = QUOTED_PRINTABLE
    try:
        mime: Message = mail.message()
        mime.as_bytes()
    except (ValueError, LookupError, MessageError) as error:
        # Nothing was sent. ValueError includes a line break in a header and UnicodeError.
        raise NotSendable(f"it cannot be encoded: {error}", code="encoding") from error
    return mime


def _named(name: str, address: str) -> str:
    if re.search(r"[\r\n]", name):
        raise ValueError("the name has a line break")
    if name.isascii() and "=?" not in name:
        return formataddr((name, address))
    # Encoded words of at most 75 characters (RFC 2047), on one line: SES's API refuses folded text.
    words = re.sub(r"\r?\n[ \t]*", " ", Header(name, "utf-8").encode(maxlinelen=75))
    return f"{name if name.isascii() else words} <{address}>"
