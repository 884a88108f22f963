"""The CloudWatch Logs stand-in: `FilterLogEvents` on what SNS wrote about text messages."""

import json
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count, islice
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.clock import milliseconds
from sandbox.new_rule import Strict

TARGET = "Logs_20140328.FilterLogEvents"
_SUCCESS = "sns/us-east-1/000000000000/DirectPublishToPhoneNumber"
GROUPS = {"SUCCESS": _SUCCESS, "FAILURE": f"{_SUCCESS}/Failure"}

MAX_PAGE = 10_000
MAX_EVENTS = 50_000

LogGroup = deque["Logged"]


class Logged(NamedTuple):
    """One log event; `seq` grows by one with each, and `at` is in milliseconds since 1970."""

    seq: int
    at: int
    message: str


class Query(Strict):
    """The parameters of `FilterLogEvents` that are honoured; another one is refused."""

    logGroupName: str  # noqa: N815 - the names are those of AWS
    startTime: int = 0  # noqa: N815
    endTime: int | None = None  # noqa: N815
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE
    nextToken: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] = "0"  # noqa: N815

    def wants(self, event: Logged) -> bool:
        """Whether an event is within the times, and after what was answered already."""
        ends = self.endTime is None or event.at <= self.endTime
        return event.seq > int(self.nextToken) and self.startTime <= event.at and ends


class Logs:
    """The two log groups, each with the newest of its events."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._stream = str(uuid4())
        self._groups: Mapping[str, LogGroup] = {
            name: deque(maxlen=MAX_EVENTS) for name in GROUPS.values()
        }

    def write(self, group: str, document: Mapping[str, Any]) -> None:
        """Log a document now."""
        now = milliseconds(datetime.now(UTC))
        self._groups[group].append(Logged(next(self._numbers), now, json.dumps(document)))

    async def handle(self, request: web.Request) -> web.Response:
        """The answer to one call of boto3's `logs` client."""
        if request.headers["X-Amz-Target"] != TARGET:
            return _refusal("UnknownOperationException", "the sandbox knows FilterLogEvents only")
        try:
            query = Query.model_validate_json(await request.read())
        except ValidationError as error:
            return _refusal("InvalidParameterException", str(error))
        group = self._groups.get(query.logGroupName)
        if group is None:
            return _refusal("ResourceNotFoundException", "The specified log group does not exist.")
        return _json(self._page(group, query))

    def _page(self, group: LogGroup, query: Query) -> dict[str, Any]:
        wanted = filter(query.wants, group)
        found = list(islice(wanted, query.limit))
        page: dict[str, Any] = {
            "events": [self._as_json(event) for event in found],
            "searchedLogStreams": [],
        }
        if next(wanted, None):
            page["nextToken"] = str(found[-1].seq)
        return page

    def _as_json(self, event: Logged) -> dict[str, Any]:
        return {
            "logStreamName": self._stream,
            "timestamp": event.at,
            "message": event.message,
            "ingestionTime": event.at,
            "eventId": f"{event.seq:056d}",
        }


def _refusal(kind: str, message: str) -> web.Response:
    return _json({"__type": kind, "message": message}, status=400)


def _json(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(document), status=status, content_type="application/x-amz-json-1.1"
    )
