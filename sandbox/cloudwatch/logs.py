"""CloudWatch Logs: `FilterLogEvents` on the SMS receipts."""

import json
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count, islice
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.arns import ACCOUNT_ID, REGION
from sandbox.json_input import Strict
from sandbox.net.json_protocol import answer, refusal
from sandbox.timestamps import milliseconds

#: The service, as the header X-Amz-Target names it.
TARGET = "Logs_20140328"
_SUCCESS = f"sns/{REGION}/{ACCOUNT_ID}/DirectPublishToPhoneNumber"
GROUPS = {"SUCCESS": _SUCCESS, "FAILURE": f"{_SUCCESS}/Failure"}

MAX_PAGE = 10_000
MAX_EVENTS = 50_000

LogGroup = deque["Logged"]


class Logged(NamedTuple):
    """One log event; `seq` grows by one per event, `at` is in milliseconds since 1970."""

    seq: int
    at: int
    message: str


class Query(Strict):
    """The parameters of `FilterLogEvents` that the sandbox supports; it refuses others."""

    logGroupName: str  # noqa: N815 - AWS's names
    startTime: int = 0  # noqa: N815
    endTime: int | None = None  # noqa: N815
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE
    nextToken: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] = "0"  # noqa: N815

    def wants(self, event: Logged) -> bool:
        """Return whether an event lies within the times and after the last page."""
        is_early_enough = self.endTime is None or event.at <= self.endTime
        is_new = event.seq > int(self.nextToken)
        return is_new and self.startTime <= event.at and is_early_enough


class Logs:
    """Keeps the newest events of the two log groups."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._stream = str(uuid4())
        self._groups: Mapping[str, LogGroup] = {
            name: deque(maxlen=MAX_EVENTS) for name in GROUPS.values()
        }

    def write(self, group: str, document: Mapping[str, Any]) -> None:
        now = milliseconds(datetime.now(UTC))
        self._groups[group].append(Logged(next(self._numbers), now, json.dumps(document)))

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call of boto3's `logs` client."""
        if request.headers["X-Amz-Target"] != f"{TARGET}.FilterLogEvents":
            return refusal("UnknownOperationException", "the sandbox knows FilterLogEvents only")
        try:
            query = Query.model_validate_json(await request.read())
        except ValidationError as error:
            return refusal("InvalidParameterException", str(error))
        group = self._groups.get(query.logGroupName)
        if group is None:
            return refusal("ResourceNotFoundException", "The specified log group does not exist.")
        return answer(self._page(group, query))

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
