"""The stand-in of SES's API for sending: `SendEmail`, as boto3's `sesv2` client calls it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from sandbox import send_email
from sandbox.account import AwsAccount
from sandbox.intake import Intake
from sandbox.mail import MAX_SIZE
from sandbox.new_rule import Answer
from sandbox.rules import Rules
from sandbox.ses_v2 import answer, refusal

#: In octets: the largest message in base64, and what stands around it.
MAX_BODY = MAX_SIZE * 3 // 2
#: What IAM asks for, for a message in MIME, though the call has another name.
PERMISSION = "ses:SendRawEmail"

#: A name of SES's, a message and an HTTP status each.
REFUSALS: Mapping[Answer, tuple[str, str, int]] = {
    # Nobody listens; but the port is that of SNS as well.
    "refuse": ("ServiceUnavailable", "Service is unavailable.", 503),
    "throttle": ("TooManyRequestsException", "Maximum sending rate exceeded.", 429),
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


class Outbound:
    """What is answered to each sending."""

    def __init__(self, intake: Intake, rules: Rules, account: AwsAccount) -> None:
        self._intake = intake
        self._rules = rules
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        """Where it is served."""
        return [web.post("/v2/email/outbound-emails", self.send)]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Take a message, or refuse it."""
        if refused := self._of_the_channel():
            return refusal(*REFUSALS[refused])
        if self._account.denies(PERMISSION):
            return refusal(
                "AccessDeniedException", f"User is not authorized to perform: {PERMISSION}", 403
            )
        try:
            email = send_email.read(await request.read(), datetime.now(UTC))
        except send_email.Refused as problem:
            return refusal(problem.code, str(problem), 400)
        if refused := await self._intake.take(email, request.transport):
            return refusal(*REFUSALS[refused])
        return answer({"MessageId": email.id})

    def _of_the_channel(self) -> Answer | None:
        if self._rules.refuses("email"):
            return "refuse"
        return "credentials" if self._rules.doubts_credentials("email") else None
