"""`/api/replies`: what the owners of phones answer."""

from aiohttp import web
from pydantic import Field, ValidationError

from sandbox.api.app import problem
from sandbox.json_input import Strict
from sandbox.sns.replies import Replies
from sandbox.sns.sms import is_number


class RepliesApi:
    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/replies", self.list_replies),
            web.post("/api/replies", self.reply),
        ]

    async def list_replies(self, request: web.Request) -> web.Response:
        """Return the answers, oldest first."""
        return web.json_response({"replies": [each.as_json() for each in self._replies.all()]})

    async def reply(self, request: web.Request) -> web.Response:
        """Answer from a phone: `{"phone": NUMBER, "text": WORDS}`. Return what SNS answers."""
        try:
            given = _Reply.model_validate_json(await request.read())
        except ValidationError:
            given = None
        if given is None or not is_number(given.phone):
            return problem(
                400, 'the body must be {"phone": NUMBER, "text": WORDS}, the number in E.164'
            )
        return web.json_response(
            self._replies.receive(given.phone, given.text).as_json(), status=201
        )


class _Reply(Strict):
    phone: str
    text: str = Field(min_length=1, max_length=1600)
