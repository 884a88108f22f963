"""A client of the sandbox's JSON API."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from http.client import HTTPException
from typing import Annotated, Any, Literal
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from sandbox.faults.rule import Rule
from sandbox.net.loopback import is_loopback

URL_VARIABLE = "SANDBOX_URL"
TIMEOUT_S = 2.0


class SandboxError(Exception):
    """The sandbox cannot be used; the text is a sentence for a developer."""


class NoSuchMessage(SandboxError):
    """The sandbox does not have that message, or no longer."""


class Event(BaseModel):
    """An event or a receipt; `status` is the HTTP status of the application's answer, if any."""

    type: str
    detail: str
    published_at: datetime
    status: int | None


class Email(BaseModel):
    kind: Literal["email"]
    id: str
    received_at: datetime
    sender: str = Field(alias="from")
    recipients: list[str] = Field(alias="to")
    subject: str
    configuration_set: str | None
    tags: dict[str, str]
    events: list[Event]
    headers: list[tuple[str, str]]
    text: str | None
    #: These two come with a single e-mail only, not in a list.
    html: str | None = None
    source: str = ""


class Sms(BaseModel):
    kind: Literal["sms"]
    id: str
    received_at: datetime
    phone: str
    body: str
    sender_id: str | None
    encoding: str
    parts: int
    price_usd: Decimal
    events: list[Event]

    @property
    def recipients(self) -> list[str]:
        return [self.phone]

    @property
    def receipt(self) -> Event | None:
        return self.events[-1] if self.events else None


Message = Annotated[Email | Sms, Field(discriminator="kind")]
_message: TypeAdapter[Email | Sms] = TypeAdapter(Message)


class Page(BaseModel):
    """Messages, oldest first, and the newest sequence number."""

    messages: list[Message]
    last_seq: int
    #: How many events and receipts are still to come.
    waiting: int

    @property
    def version(self) -> str:
        """Changes with each message and event, when the sandbox is cleared, and at a restart."""
        newest = self.messages[-1].id if self.messages else "nothing"
        return f"{self.last_seq}-{newest}-{self.waiting}"


class Reply(BaseModel):
    """What a phone answered, and what SNS answered by itself to that, if it did."""

    phone: str
    text: str
    answer: str
    at: datetime


class _ReplyList(BaseModel):
    replies: list[Reply]


class ActiveRule(Rule):
    """A rule in force; `left_s` is the seconds until it ends by itself."""

    id: int
    used: int
    left_s: float | None


class _RuleList(BaseModel):
    rules: list[ActiveRule]


def newest(limit: int) -> Page:
    """Return the newest messages, at most `limit` (up to 1,000); raises SandboxError."""
    answer = _call(f"/api/messages?limit={limit}")
    try:
        return Page.model_validate_json(answer)
    except ValidationError as error:
        raise _not_the_sandbox() from error


def email(message_id: str) -> Email:
    """Return one e-mail in full; raises NoSuchMessage or another SandboxError."""
    answer = _call(f"/api/messages/{quote(message_id, safe='')}")
    try:
        found = _message.validate_json(answer)
    except ValidationError as error:
        raise _not_the_sandbox() from error
    if isinstance(found, Email):
        return found
    raise NoSuchMessage("That message is not an e-mail.")


def replies() -> list[Reply]:
    """Return what phones answered, oldest first; raises SandboxError."""
    try:
        return _ReplyList.model_validate_json(_call("/api/replies")).replies
    except ValidationError as error:
        raise _not_the_sandbox() from error


def reply(phone: str, text: str) -> None:
    """Answer from a phone; raises SandboxError."""
    _call("/api/replies", method="POST", body=json.dumps({"phone": phone, "text": text}).encode())


def rules() -> list[ActiveRule]:
    """Return the rules in force, oldest first; raises SandboxError."""
    try:
        return _RuleList.model_validate_json(_call("/api/rules")).rules
    except ValidationError as error:
        raise _not_the_sandbox() from error


def add_rule(fields: Mapping[str, Any]) -> None:
    """Put a rule in force; raises SandboxError."""
    _call("/api/rules", method="POST", body=json.dumps(fields).encode())


def end_rule(rule_id: int) -> None:
    """End a rule, unless it has ended already; raises SandboxError."""
    with suppress(NoSuchMessage):
        _call(f"/api/rules/{rule_id}", method="DELETE")


def clear() -> None:
    """Make the sandbox forget every message; raises SandboxError."""
    _call("/api/messages", method="DELETE")


class _NoRedirects(HTTPRedirectHandler):
    """Follow no redirect: it could lead to another machine."""

    def redirect_request(self, *_: Any) -> None:
        return None


# No proxies: requests for loopback must not go to the HTTP_PROXY of the environment.
_http = build_opener(ProxyHandler({}), _NoRedirects)


def _call(path: str, method: str = "GET", body: bytes | None = None) -> bytes:
    url = address()
    request = Request(url + path, body, method=method)  # noqa: S310 - `address` allows http only
    try:
        with _http.open(request, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        error.close()
        if error.code == 404:
            raise NoSuchMessage("The sandbox does not have that message.") from error
        raise _not_the_sandbox() from error
    except (OSError, HTTPException) as error:
        raise SandboxError(f"Nothing answers at {url}.") from error


def address() -> str:
    """Return the sandbox's address, without a slash at the end; raises SandboxError."""
    configured = os.environ.get(URL_VARIABLE, "")
    if not configured:
        raise SandboxError(f"{URL_VARIABLE} is not set: it must name the address of the sandbox.")
    try:
        parts = urlsplit(configured)
        local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        local = False
    if not local:
        raise SandboxError(f"{URL_VARIABLE} is {configured}, which is not on this machine.")
    return f"http://{parts.netloc}"


def _not_the_sandbox() -> SandboxError:
    return SandboxError(f"The server at {address()} is not the sandbox.")
