"""What the sandbox was sent and is told to do, over its JSON API."""

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

from sandbox.loopback import is_loopback
from sandbox.new_rule import NewRule

ENDPOINT = "SANDBOX_URL"
TIMEOUT_S = 2.0


class FeedError(Exception):
    """The sandbox did not answer as it should; the text is a sentence for a developer."""


class NoSuchMessage(FeedError):
    """The sandbox does not keep that message, or does so no longer."""


class Report(BaseModel):
    """Something that was told of a message; `status` is how the application answered, if it did."""

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
    events: list[Report]
    headers: list[tuple[str, str]]
    text: str | None
    #: These two come with a single e-mail, not with a list.
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
    events: list[Report]

    @property
    def recipients(self) -> list[str]:
        return [self.phone]

    @property
    def receipt(self) -> Report | None:
        """What the carrier made of it, once that is known."""
        return self.events[-1] if self.events else None


Message = Annotated[Email | Sms, Field(discriminator="kind")]
_message: TypeAdapter[Email | Sms] = TypeAdapter(Message)


class Feed(BaseModel):
    """Messages, the newest last, and the sequence number that the sandbox has come to."""

    messages: list[Message]
    last_seq: int
    #: How many reports are still to come.
    waiting: int

    @property
    def mark(self) -> str:
        """Another one after a message or a report, and after a clearing or a restart."""
        newest = self.messages[-1].id if self.messages else "nothing"
        return f"{self.last_seq}-{newest}-{self.waiting}"


class Rule(NewRule):
    """A rule in force; `left_s` is the seconds until it ends by itself."""

    id: int
    used: int
    left_s: float | None


class RuleList(BaseModel):
    rules: list[Rule]


def newest(limit: int) -> Feed:
    """The newest messages, at most `limit` (to 1,000) of them; raises FeedError."""
    answer = _call(f"/api/messages?limit={limit}")
    try:
        return Feed.model_validate_json(answer)
    except ValidationError as error:
        raise _not_the_sandbox() from error


def email(message_id: str) -> Email:
    """One e-mail in full; raises NoSuchMessage, and FeedError."""
    answer = _call(f"/api/messages/{quote(message_id, safe='')}")
    try:
        found = _message.validate_json(answer)
    except ValidationError as error:
        raise _not_the_sandbox() from error
    if isinstance(found, Email):
        return found
    raise NoSuchMessage("That message is not an e-mail.")


def rules() -> list[Rule]:
    """The rules in force, the newest last; raises FeedError."""
    try:
        return RuleList.model_validate_json(_call("/api/rules")).rules
    except ValidationError as error:
        raise _not_the_sandbox() from error


def add_rule(fields: Mapping[str, Any]) -> None:
    """Put a rule in force; raises FeedError."""
    _call("/api/rules", method="POST", body=json.dumps(fields).encode())


def end_rule(rule_id: int) -> None:
    """End a rule, if it has not ended yet; raises FeedError."""
    with suppress(NoSuchMessage):
        _call(f"/api/rules/{rule_id}", method="DELETE")


def clear() -> None:
    """Make the sandbox forget every message; raises FeedError."""
    _call("/api/messages", method="DELETE")


class _NoRedirects(HTTPRedirectHandler):
    """An answer must not lead from this machine to another."""

    def redirect_request(self, *_: Any) -> None:
        return None


# Without proxies: an HTTP_PROXY in the environment must not see requests for loopback.
_http = build_opener(ProxyHandler({}), _NoRedirects)


def _call(path: str, method: str = "GET", body: bytes | None = None) -> bytes:
    url = address()
    request = Request(url + path, body, method=method)  # noqa: S310  `address` lets http alone pass
    try:
        with _http.open(request, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        error.close()
        if error.code == 404:
            raise NoSuchMessage("The sandbox does not keep that message.") from error
        raise _not_the_sandbox() from error
    except (OSError, HTTPException) as error:
        raise FeedError(f"Nothing answers at {url}.") from error


def address() -> str:
    """Where the sandbox is, without a slash at the end; raises FeedError."""
    configured = os.environ.get(ENDPOINT, "")
    if not configured:
        raise FeedError(f"{ENDPOINT} is not set, so nobody knows where the sandbox is.")
    try:
        parts = urlsplit(configured)
        local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        local = False
    if not local:
        raise FeedError(f"{ENDPOINT} is {configured}: that is not on this machine, so not read.")
    return f"http://{parts.netloc}"


def _not_the_sandbox() -> FeedError:
    return FeedError(f"What answers at {address()} is not the sandbox.")
