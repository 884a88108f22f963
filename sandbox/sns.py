"""The SNS stand-in: the query protocol's actions for text messages, and to confirm a topic."""

import asyncio
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from aiohttp import web

from sandbox.account import AwsAccount
from sandbox.account_queries import denied
from sandbox.intake import Intake
from sandbox.new_rule import Answer
from sandbox.rules import Rules
from sandbox.sms import InvalidParameter, SnsError, accept, is_number, printable
from sandbox.topic import Topic

_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"

#: How many numbers SNS lists at once.
MAX_NUMBERS = 100

#: Seconds within which a number may be opted in by a call once: 30 days.
ONCE_IN_S = 30 * 24 * 3600

#: A code, a message and an HTTP status each.
REFUSALS: Mapping[Answer, tuple[str, str, int]] = {
    "throttle": ("Throttling", "Rate exceeded", 400),
    "transient": ("RequestTimeout", "The request was not read in time.", 408),
    "permanent": (
        "InvalidParameter",
        "Invalid parameter: PhoneNumber Reason: the number is on a blocked list",
        400,
    ),
    "credentials": (
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        403,
    ),
    "paused": ("AuthorizationError", "This account is not authorized to publish to phones", 403),
}

Parameters = Mapping[str, str]
Action = Callable[[Parameters], str]


class Sns:
    """The endpoint that boto3's `sns` client calls."""

    def __init__(
        self,
        intake: Intake,
        rules: Rules,
        account: AwsAccount,
        topic: Topic,
        opted_out: set[str],
    ) -> None:
        self._intake = intake
        self._rules = rules
        self._account = account
        self._topic = topic
        self._opted_out = opted_out
        self._opted_in_at: dict[str, float] = {}
        self._actions: Mapping[str, Action] = {
            "CheckIfPhoneNumberIsOptedOut": self._check,
            "ListPhoneNumbersOptedOut": self._list,
            "OptInPhoneNumber": self._opt_in,
            "ConfirmSubscription": self._confirm,
        }

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to one call."""
        parameters = dict(parse_qsl((await request.read()).decode("utf-8", "replace")))
        action = parameters.get("Action", "")
        try:
            if self._rules.doubts_credentials("sms"):
                raise SnsError(*REFUSALS["credentials"])
            # What is sent is refused by rules alone.
            if action in self._actions:
                self._refuse_unless_allowed(action, parameters, "Authorization" in request.headers)
            result = await self._result(action, parameters, request.transport)
        except SnsError as error:
            return _refusal(error)
        return _success(action, result)

    async def _result(
        self, action: str, parameters: Parameters, transport: asyncio.BaseTransport | None
    ) -> str:
        if action == "Publish":
            return await self._publish(parameters, transport)
        if action in self._actions:
            return self._actions[action](parameters)
        raise SnsError(
            "InvalidAction", f"The action {printable(action)} is not valid for this endpoint."
        )

    def _refuse_unless_allowed(self, action: str, parameters: Parameters, signed: bool) -> None:
        if signed and self._account.denies(f"sns:{action}"):
            raise denied("sns", action)
        if not signed and not _is_open(action, parameters):
            raise SnsError(
                "MissingAuthenticationToken", "Request is missing Authentication Token", status=403
            )

    async def _publish(
        self, parameters: Parameters, transport: asyncio.BaseTransport | None
    ) -> str:
        sms = accept(parameters)
        if refusal := await self._intake.take(sms, transport):
            raise SnsError(*REFUSALS[refusal])
        return f"<MessageId>{sms.id}</MessageId>"

    def _check(self, parameters: Parameters) -> str:
        opted_out = _number(parameters) in self._opted_out
        return f"<isOptedOut>{str(opted_out).lower()}</isOptedOut>"

    def _list(self, parameters: Parameters) -> str:
        after = parameters.get("nextToken", "")
        left = sorted(number for number in self._opted_out if number > after)
        members = "".join(f"<member>{number}</member>" for number in left[:MAX_NUMBERS])
        more = left[MAX_NUMBERS:]
        token = f"<nextToken>{left[MAX_NUMBERS - 1]}</nextToken>" if more else ""
        return f"<phoneNumbers>{members}</phoneNumbers>{token}"

    def _opt_in(self, parameters: Parameters) -> str:
        number = _number(parameters)
        if number in self._opted_out:
            last, now = self._opted_in_at.get(number), time.monotonic()
            if last is not None and now - last < ONCE_IN_S:
                raise InvalidParameter("phoneNumber Reason: it was opted in within 30 days")
            self._opted_in_at[number] = now
            self._opted_out.discard(number)
        return ""

    def _confirm(self, parameters: Parameters) -> str:
        arn = self._topic.confirm(parameters.get("TopicArn", ""), parameters.get("Token", ""))
        if arn is None:
            raise InvalidParameter("Token")
        return f"<SubscriptionArn>{arn}</SubscriptionArn>"


def _is_open(action: str, parameters: Parameters) -> bool:
    """Whether SNS takes the call without a signature."""
    bound = parameters.get("AuthenticateOnUnsubscribe", "").lower() == "true"
    return action == "ConfirmSubscription" and not bound


def _number(parameters: Parameters) -> str:
    number = parameters.get("phoneNumber", "")
    if not is_number(number):
        raise InvalidParameter("phoneNumber Reason: it must be in E.164")
    return number


def _success(action: str, result: str) -> web.Response:
    wrapped = f"<{action}Result>{result}</{action}Result>"
    metadata = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    return _xml(f'<{action}Response xmlns="{_NAMESPACE}">{wrapped}{metadata}</{action}Response>')


def _refusal(error: SnsError) -> web.Response:
    fault = "Sender" if error.status < 500 else "Receiver"
    detail = f"<Type>{fault}</Type><Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    body = f"<Error>{detail}</Error><RequestId>{uuid4()}</RequestId>"
    return _xml(f'<ErrorResponse xmlns="{_NAMESPACE}">{body}</ErrorResponse>', error.status)


def _xml(document: str, status: int = 200) -> web.Response:
    return web.Response(text=document, status=status, content_type="text/xml")
