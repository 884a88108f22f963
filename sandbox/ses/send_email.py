"""Reads a `SendEmail` request of SES's API and makes its message.

Fields: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. Fields that the
sandbox does not support, such as templates, are refused rather than ignored.
"""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses, parseaddr
from typing import Annotated, Any

from pydantic import StringConstraints, ValidationError

from sandbox.json_input import Strict
from sandbox.ses import mail

MAX_RECIPIENTS = 50

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,256}$")]
#: A text that cannot add a second header.
Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]*$")]


class RequestRefused(Exception):
    """SES would refuse the request: its error code and the text."""

    def __init__(self, message: str, code: str = "BadRequestException") -> None:
        super().__init__(message)
        self.code = code


class _Text(Strict):
    Data: str
    Charset: str | None = None


class _Body(Strict):
    Text: _Text | None = None
    Html: _Text | None = None


class _Header(Strict):
    Name: Word
    Value: Line


class _Tag(Strict):
    Name: Word
    Value: Word


class _Simple(Strict):
    Subject: _Text
    Body: _Body
    Headers: list[_Header] = []


class _Raw(Strict):
    Data: str


class _Content(Strict):
    Simple: _Simple | None = None
    Raw: _Raw | None = None


class _Destination(Strict):
    ToAddresses: list[Line] = []
    CcAddresses: list[Line] = []
    BccAddresses: list[Line] = []


class _Request(Strict):
    Content: _Content
    Destination: _Destination = _Destination()
    FromEmailAddress: Line = ""
    ReplyToAddresses: list[Line] = []
    EmailTags: list[_Tag] = []
    ConfigurationSetName: Word | None = None


def read(body: bytes, now: datetime) -> mail.Email:
    """Return the e-mail that a request asks for at `now` (UTC); raises RequestRefused."""
    request = _request(body)
    # The request's own fields override the headers of its message.
    source = mail.with_headers(_source(request), _overrides(request))
    headers = message_from_bytes(source)
    sender = parseaddr(str(headers.get("From", "")))[1]
    if not mail.is_address(sender):
        raise RequestRefused(f"The sender's address {sender!r} is missing or malformed.")
    recipients = _recipients(request.Destination) or _addresses(
        str(value) for name in ("To", "Cc", "Bcc") for value in headers.get_all(name, [])
    )
    _check_recipients(recipients)
    try:
        return mail.accept(source, sender, recipients, now, operation="SendEmail")
    except mail.MessageRefused as refused:
        raise RequestRefused(str(refused)) from refused


def _request(body: bytes) -> _Request:
    try:
        return _Request.model_validate_json(body)
    except ValidationError as error:
        problem: Any = error.errors()[0]
        if problem["type"] == "json_invalid":
            raise RequestRefused(problem["msg"], "SerializationException") from error
        field = ".".join(map(str, problem["loc"]))
        raise RequestRefused(f"{field}: {problem['msg']}") from error


def _source(request: _Request) -> bytes:
    match request.Content:
        case _Content(Raw=_Raw() as raw, Simple=None):
            return _raw(raw)
        case _Content(Raw=None, Simple=_Simple() as simple):
            try:
                return _mime(request, simple)
            except ValueError as error:
                raise RequestRefused(f"Content.Simple: {error}") from error
    raise RequestRefused("Content: give either Raw or Simple.")


def _raw(raw: _Raw) -> bytes:
    try:
        source = base64.b64decode(raw.Data, validate=True)
    except binascii.Error as error:
        raise RequestRefused(f"Content.Raw.Data: {error}", "SerializationException") from error
    if len(source) > mail.MAX_SIZE:
        raise RequestRefused(f"Message length is more than {mail.MAX_SIZE} bytes long.")
    return source


def _mime(request: _Request, simple: _Simple) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = simple.Subject.Data
    for name, addresses in (
        ("To", request.Destination.ToAddresses),
        ("Cc", request.Destination.CcAddresses),
        ("Reply-To", request.ReplyToAddresses),
    ):
        if addresses:
            message[name] = ", ".join(addresses)
    for header in simple.Headers:
        message[header.Name] = header.Value
    text, html = simple.Body.Text, simple.Body.Html
    if not text and not html:
        raise RequestRefused("Content.Simple.Body: give Text or Html.")
    if text:
        message.set_content(text.Data)
    if html:
        add = message.add_alternative if text else message.set_content
        add(html.Data, subtype="html")
    return message.as_bytes()


def _overrides(request: _Request) -> dict[str, str]:
    headers = {
        "From": request.FromEmailAddress,
        "X-SES-MESSAGE-TAGS": ", ".join(f"{tag.Name}={tag.Value}" for tag in request.EmailTags),
        "X-SES-CONFIGURATION-SET": request.ConfigurationSetName,
    }
    return {name: value for name, value in headers.items() if value}


def _recipients(destination: _Destination) -> list[str]:
    return _addresses(
        [*destination.ToAddresses, *destination.CcAddresses, *destination.BccAddresses]
    )


def _addresses(values: Iterable[str]) -> list[str]:
    return [address for _, address in getaddresses(list(values))]


def _check_recipients(recipients: list[str]) -> None:
    if not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise RequestRefused(f"Recipient count is {len(recipients)}: give 1 to {MAX_RECIPIENTS}.")
    for address in recipients:
        if not mail.is_address(address):
            raise RequestRefused(f"Illegal address {address!r}.")
