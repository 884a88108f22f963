"""SNS's API for text messages: sending them, and who has opted out of them."""

import time
from collections.abc import Mapping

from aiohttp import web

from sandbox.acceptor import Acceptor
from sandbox.account.settings import AwsAccount
from sandbox.faults.broken_http import broken_answer
from sandbox.faults.rule import Answer, answer_only
from sandbox.faults.rules import Rules
from sandbox.net import query_protocol
from sandbox.net.query_protocol import Action, Call, CallRefused, Denied, Parameters
from sandbox.sns import sms
from sandbox.sns.sms import InvalidParameter, is_number, printable
from sandbox.sns.topic import Topic

#: How many numbers SNS lists at once.
MAX_NUMBERS = 100
#: SNS lets a number be opted in once in 30 days; in seconds.
OPT_IN_INTERVAL_S = 30 * 24 * 3600

#: An error code, a message and an HTTP status for each refusal.
REFUSALS: Mapping[Answer, tuple[str, str, int]] = {
    "throttle": ("Throttling", "Rate exceeded", 400),
    # After acceptance: the answer that leaves the outcome open.
    "accept_then_transient": ("InternalError", "Internal error", 500),
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


class SmsApi:
    """Answers boto3's `sns` client: every action that another stand-in has not answered."""

    def __init__(
        self,
        acceptor: Acceptor,
        rules: Rules,
        account: AwsAccount,
        topic: Topic,
        opted_out: set[str],
    ) -> None:
        self._acceptor = acceptor
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

    async def answer(self, call: Call) -> web.StreamResponse:
        try:
            if self._rules.use_credentials_rule("sms"):
                raise CallRefused(*REFUSALS["credentials"])
            if call.action == "Publish":
                return await self._publish(call)
            return query_protocol.success("sns", call.action, self._result(call))
        except CallRefused as refused:
            return query_protocol.refusal("sns", refused)

    def _result(self, call: Call) -> str:
        if call.action in self._actions:
            self._check_permission(call)
            return self._actions[call.action](call.parameters)
        raise CallRefused(
            "InvalidAction", f"The action {printable(call.action)} is not valid for this endpoint."
        )

    def _check_permission(self, call: Call) -> None:
        if call.is_signed and self._account.denies(f"sns:{call.action}"):
            raise Denied("sns", call.action)
        if not call.is_signed and not _needs_no_signature(call):
            raise CallRefused(
                "MissingAuthenticationToken", "Request is missing Authentication Token", 403
            )

    async def _publish(self, call: Call) -> web.StreamResponse:
        text = sms.read(call.parameters)
        answer = await self._acceptor.accept(text, call.request.transport)
        if answer and answer_only(answer) in REFUSALS:
            raise CallRefused(*(REFUSALS.get(answer) or REFUSALS[answer_only(answer)]))
        good = query_protocol.success("sns", "Publish", f"<MessageId>{text.id}</MessageId>")
        return await broken_answer(good, answer, call.request) if answer else good

    def _check(self, parameters: Parameters) -> str:
        is_out = _number(parameters) in self._opted_out
        return f"<isOptedOut>{str(is_out).lower()}</isOptedOut>"

    def _list(self, parameters: Parameters) -> str:
        after = parameters.get("nextToken", "")
        left = sorted(number for number in self._opted_out if number > after)
        members = "".join(f"<member>{number}</member>" for number in left[:MAX_NUMBERS])
        has_more = len(left) > MAX_NUMBERS
        token = f"<nextToken>{left[MAX_NUMBERS - 1]}</nextToken>" if has_more else ""
        return f"<phoneNumbers>{members}</phoneNumbers>{token}"

    def _opt_in(self, parameters: Parameters) -> str:
        number = _number(parameters)
        if number in self._opted_out:
            last, now = self._opted_in_at.get(number), time.monotonic()
            if last is not None and now - last < OPT_IN_INTERVAL_S:
                raise InvalidParameter("phoneNumber Reason: it was opted in within 30 days")
            self._opted_in_at[number] = now
            self._opted_out.discard(number)
        return ""

    def _confirm(self, parameters: Parameters) -> str:
        arn = self._topic.confirm(parameters.get("TopicArn", ""), parameters.get("Token", ""))
        if arn is None:
            raise InvalidParameter("Token")
        return f"<SubscriptionArn>{arn}</SubscriptionArn>"


def _needs_no_signature(call: Call) -> bool:
    """Return whether SNS accepts the call without a signature."""
    authenticates = call.parameters.get("AuthenticateOnUnsubscribe", "").lower() == "true"
    return call.action == "ConfirmSubscription" and not authenticates


def _number(parameters: Parameters) -> str:
    number = parameters.get("phoneNumber", "")
    if not is_number(number):
        raise InvalidParameter("phoneNumber Reason: it must be in E.164")
    return number
