"""AWS's query protocol, which SNS, STS, IAM and CloudFormation speak: a form in, XML out."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from aiohttp import web

from sandbox.arns import USER

_NAMESPACES = {
    "cloudformation": "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}

Parameters = Mapping[str, str]
#: Takes the call's parameters and returns the XML of the result; raises CallRefused.
Action = Callable[[Parameters], str]


class CallRefused(Exception):
    """AWS would refuse the call: its error code, a message, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Denied(CallRefused):
    """The caller lacks the IAM permission for an action of a service."""

    def __init__(self, service: str, action: str) -> None:
        code = "AuthorizationError" if service == "sns" else "AccessDenied"
        message = f"User: {USER} is not authorized to perform: {service}:{action}"
        super().__init__(code, message, 403)


class Call(NamedTuple):
    """One call, as it came over the wire."""

    action: str
    parameters: Parameters
    is_signed: bool
    request: web.Request


class Service(Protocol):
    """A stand-in that answers some of the protocol's actions."""

    async def answer(self, call: Call) -> web.StreamResponse | None:
        """Return the answer, or None if the action belongs to another stand-in."""


class Queries:
    """Answers the actions of one service."""

    def __init__(
        self, service: str, denies: Callable[[str], bool], actions: Mapping[str, Action]
    ) -> None:
        """`denies`: whether the caller lacks an IAM permission, such as `sns:Publish`."""
        self._service = service
        self._denies = denies
        self._actions = actions

    async def answer(self, call: Call) -> web.StreamResponse | None:
        """Return the answer, or None if the action is another service's."""
        if call.action not in self._actions:
            return None
        try:
            if self._denies(f"{self._service}:{call.action}"):
                raise Denied(self._service, call.action)
            result = self._actions[call.action](call.parameters)
        except CallRefused as refused:
            return refusal(self._service, refused)
        return success(self._service, call.action, result)


async def read(request: web.Request) -> Call:
    """Read the form of a request."""
    parameters = dict(parse_qsl((await request.read()).decode("utf-8", "replace")))
    is_signed = "Authorization" in request.headers
    return Call(parameters.get("Action", ""), parameters, is_signed, request)


def success(service: str, action: str, result: str) -> web.Response:
    """Return the answer around the XML of a result."""
    metadata = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    wrapped = f"<{action}Result>{result}</{action}Result>"
    return _xml(service, f"{action}Response", f"{wrapped}{metadata}")


def refusal(service: str, refused: CallRefused) -> web.Response:
    """Return the answer to a call that is refused."""
    fault = "Sender" if refused.status < 500 else "Receiver"
    what = f"<Code>{refused.code}</Code><Message>{escape(str(refused))}</Message>"
    body = f"<Error><Type>{fault}</Type>{what}</Error><RequestId>{uuid4()}</RequestId>"
    return _xml(service, "ErrorResponse", body, refused.status)


def map_of(name: str, values: Mapping[str, str]) -> str:
    """Return the XML of a map of texts."""
    entries = "".join(
        f"<entry><key>{key}</key><value>{escape(value)}</value></entry>"
        for key, value in values.items()
    )
    return f"<{name}>{entries}</{name}>"


def _xml(service: str, name: str, content: str, status: int = 200) -> web.Response:
    document = f'<{name} xmlns="{_NAMESPACES[service]}">{content}</{name}>'
    return web.Response(text=document, status=status, content_type="text/xml")
