"""The SNS stand-in: the query protocol's `Publish`, to one phone number."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from aiohttp import web

from sandbox.intake import Intake
from sandbox.rules import Answer, Rules
from sandbox.sms import InvalidParameter, SnsError, accept, printable

_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"

REFUSALS: Mapping[Answer, SnsError] = {
    "throttle": SnsError("Throttling", "Rate exceeded"),
    "transient": SnsError("InternalError", "Internal error", status=500),
    "permanent": InvalidParameter("PhoneNumber Reason: the number is on a blocked list"),
    "paused": SnsError(
        "AuthorizationError", "This account is not authorized to publish to phones", status=403
    ),
}
WRONG_CREDENTIALS = SnsError(
    "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
)

Parameters = Mapping[str, str]
Action = Callable[[Parameters, asyncio.BaseTransport | None], Awaitable[str]]


class Sns:
    """The endpoint that boto3's `sns` client calls."""

    def __init__(self, intake: Intake, rules: Rules) -> None:
        self._intake = intake
        self._rules = rules
        self._actions: Mapping[str, Action] = {"Publish": self._publish}

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to one call."""
        parameters = dict(parse_qsl((await request.read()).decode("utf-8", "replace")))
        name = parameters.get("Action", "")
        try:
            if self._rules.doubts_credentials("sms"):
                raise WRONG_CREDENTIALS
            if name not in self._actions:
                raise SnsError(
                    "InvalidAction", f"The action {printable(name)} is not valid for this endpoint."
                )
            result = await self._actions[name](parameters, request.transport)
        except SnsError as error:
            return _refusal(error)
        return _success(name, result)

    async def _publish(
        self, parameters: Parameters, transport: asyncio.BaseTransport | None
    ) -> str:
        sms = accept(parameters)
        if refusal := await self._intake.take(sms, transport):
            raise REFUSALS[refusal]
        return f"<MessageId>{sms.id}</MessageId>"


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
