"""`/api/smtp`: how the SMTP server differs from SES."""

from aiohttp import web

from sandbox.api.app import problem
from sandbox.json_input import patched
from sandbox.ses.smtp import Habits, SmtpEndpoint


class SmtpApi:
    def __init__(self, endpoint: SmtpEndpoint) -> None:
        self._endpoint = endpoint

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/smtp", self.show),
            web.patch("/api/smtp", self.change),
            web.delete("/api/smtp", self.reset),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self._endpoint.habits.model_dump())

    async def change(self, request: web.Request) -> web.Response:
        """Change the fields in the body; the others stay."""
        try:
            self._endpoint.habits = patched(self._endpoint.habits, await request.read())
        except ValueError as error:
            return problem(400, str(error))
        return await self.show(request)

    async def reset(self, request: web.Request) -> web.Response:
        """Behave like SES, whatever the command line said."""
        self._endpoint.habits = Habits()
        return web.Response(status=204)
