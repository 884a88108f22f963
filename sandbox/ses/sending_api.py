"""SES's API for sending: `SendEmail`."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from sandbox.acceptor import Acceptor
from sandbox.account.settings import AwsAccount
from sandbox.faults.broken_http import broken_answer
from sandbox.faults.rule import Answer, answer_only
from sandbox.faults.rules import Rules
from sandbox.net import json_protocol
from sandbox.net.json_protocol import access_denied, refusal
from sandbox.ses import send_email
from sandbox.ses.mail import MAX_SIZE

#: In octets: the largest message in base64, with room for the request around it.
MAX_BODY = MAX_SIZE * 3 // 2
#: IAM asks for this permission for MIME messages, whatever the call's name.
PERMISSION = "ses:SendRawEmail"

#: SES's error code, a message and an HTTP status for each refusal.
REFUSALS: Mapping[Answer, tuple[str, str, int]] = {
    # A refused e-mail channel is an answer here: SNS shares this port, so it stays open.
    "refuse": ("ServiceUnavailable", "Service is unavailable.", 503),
    "throttle": ("TooManyRequestsException", "Maximum sending rate exceeded.", 429),
    # After acceptance: the answer that leaves the outcome open.
    "accept_then_transient": ("ServiceUnavailable", "Service is unavailable.", 503),
    "transient": ("RequestTimeout", "The request was not read in time.", 408),
    "permanent": ("MessageRejected", "Address is on a blocked list", 400),
    "quota": ("LimitExceededException", "Daily message quota exceeded.", 400),
    "credentials": (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        403,
    ),
    "paused": (
        "SendingPausedException",
        "Email sending is disabled: account sending paused",
        400,
    ),
}


class SendingApi:
    """Answers `send_email` of boto3's `sesv2` client."""

    def __init__(self, acceptor: Acceptor, rules: Rules, account: AwsAccount) -> None:
        self._acceptor = acceptor
        self._rules = rules
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v2/email/outbound-emails", self.send)]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Accept a message, or refuse it."""
        if refused := self._channel_wide_answer():
            return refusal(*REFUSALS[refused])
        if self._account.denies(PERMISSION):
            return access_denied(PERMISSION, "AccessDeniedException")
        try:
            email = send_email.read(await request.read(), datetime.now(UTC))
        except send_email.RequestRefused as problem:
            return refusal(problem.code, str(problem), 400)
        answer = await self._acceptor.accept(email, request.transport)
        if answer and answer_only(answer) in REFUSALS:
            return refusal(*(REFUSALS.get(answer) or REFUSALS[answer_only(answer)]))
        good = json_protocol.answer({"MessageId": email.id})
        return await broken_answer(good, answer, request) if answer else good

    def _channel_wide_answer(self) -> Answer | None:
        if self._rules.refuses_connections("email"):
            return "refuse"
        return "credentials" if self._rules.use_credentials_rule("email") else None
